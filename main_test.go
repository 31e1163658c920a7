package main

import (
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"regshape/scripts/scripttest"
)

func TestMain(m *testing.M) {
	testscript.Main(scripttest.Tests{TestingM: m}, map[string]func(){
		"regshape":                         main,
		"docker-credential-regshape":       main,
		"docker-credential-regshape-":      main,
		"docker-credential-regshape-bob":   main,
		"regshape-credential-provider":     main,
		"regshape-credential-provider-":    main,
		"regshape-credential-provider-bob": main,
	})
}

// Each script runs the real program, under its names, in a home of its own.
func TestScripts(t *testing.T) { testscript.Run(t, scripttest.Params("testdata/script")) }

// Each of these has an issuer of device logins, too.
func TestDeviceScripts(t *testing.T) { testscript.Run(t, scripttest.Params("testdata/script/device")) }
