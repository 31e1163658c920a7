// Programs of our own for the end-to-end tests, on the libraries that other clients are made
// of, in a module of their own so that none of its dependencies reaches the product's
// go.mod. The versions of these libraries stand in the file programs, too.
module regshape/scripts/e2e/clients

go 1.26.0

require (
	github.com/docker/docker-credential-helpers v0.9.5
	github.com/google/go-containerregistry v0.22.1
	github.com/opencontainers/image-spec v1.1.1
	oras.land/oras-go/v2 v2.7.0
)

require (
	github.com/docker/cli v29.7.2+incompatible // indirect
	github.com/klauspost/compress v1.20.3 // indirect
	github.com/opencontainers/go-digest v1.0.0 // indirect
	github.com/sirupsen/logrus v1.10.2 // indirect
	golang.org/x/sync v0.24.0 // indirect
	golang.org/x/sys v0.49.0 // indirect
	gotest.tools/v3 v3.5.2 // indirect
)
