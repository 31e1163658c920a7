package testregistry

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"
)

// tokenLife is how long an access token lasts; Docker's documentation gives 60
// seconds as the least a server may choose, Docker Hub gives 300.
const tokenLife = 5 * time.Minute

// ErrToken says that a token is not one of this server's, or no longer valid.
var ErrToken = errors.New("token refused")

// Access is one entry of a token's "access" claim.
type Access struct {
	Type    string   `json:"type"`
	Name    string   `json:"name"`
	Actions []string `json:"actions"`
}

// String writes the access as a scope, type:name:action,action.
func (a Access) String() string {
	return a.Type + ":" + a.Name + ":" + strings.Join(a.Actions, ",")
}

// parseScope reads one scope; a name may itself hold colons (host:port/repo).
func parseScope(scope string) (Access, bool) {
	kind, rest, ok := strings.Cut(scope, ":")
	i := strings.LastIndex(rest, ":")
	if !ok || i < 1 {
		return Access{}, false
	}
	return Access{Type: kind, Name: rest[:i], Actions: strings.Split(rest[i+1:], ",")}, true
}

// Claims is the body of a token in Docker's token format.
type Claims struct {
	Issuer   string   `json:"iss"`
	Subject  string   `json:"sub"`
	Audience string   `json:"aud"`
	Expires  int64    `json:"exp"` // Unix seconds, as the next two
	NotFrom  int64    `json:"nbf"`
	Issued   int64    `json:"iat"`
	ID       string   `json:"jti"`
	Access   []Access `json:"access"`
}

func (c Claims) grants(need Access) bool {
	if need.Name == "" {
		return true
	}
	have := map[string]bool{}
	for _, one := range c.Access {
		if one.Type == need.Type && one.Name == need.Name {
			for _, action := range one.Actions {
				have[action] = true
			}
		}
	}
	return !slices.ContainsFunc(need.Actions, func(action string) bool { return !have[action] && !have["*"] })
}

// signer signs tokens with a leaf certificate of the authority, whose chain goes
// into each token: that is how a registry with REGISTRY_AUTH_TOKEN_ROOTCERTBUNDLE
// finds the key.
type signer struct {
	alg  string // "ES256" or "RS256"
	key  crypto.Signer
	leaf []byte // DER
}

func newSigner(alg string, root *Authority) (*signer, error) {
	var key crypto.Signer
	var err error
	switch alg {
	case "ES256":
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "RS256":
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	default:
		return nil, fmt.Errorf("signature algorithm %q is not ES256 or RS256", alg)
	}
	if err != nil {
		return nil, fmt.Errorf("make token key: %w", err)
	}
	template, err := newTemplate("testregistry tokens")
	if err != nil {
		return nil, err
	}
	template.KeyUsage = x509.KeyUsageDigitalSignature
	leaf, err := root.sign(template, key.Public())
	if err != nil {
		return nil, err
	}
	return &signer{alg: alg, key: key, leaf: leaf}, nil
}

// sign returns claims as a JWT in compact form (RFC 7519, RFC 7515).
func (s *signer) sign(claims Claims) (string, error) {
	header, err := json.Marshal(map[string]any{
		"typ": "JWT",
		"alg": s.alg,
		"x5c": []string{base64.StdEncoding.EncodeToString(s.leaf)}, // RFC 7515 §4.1.6: not base64url
	})
	if err != nil {
		return "", fmt.Errorf("write token header: %w", err)
	}
	body, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("write token claims: %w", err)
	}
	text := base64.RawURLEncoding.EncodeToString(header) + "." + base64.RawURLEncoding.EncodeToString(body)
	digest := sha256.Sum256([]byte(text))
	var signature []byte
	switch key := s.key.(type) {
	case *ecdsa.PrivateKey:
		// RFC 7518 §3.4 wants the two numbers side by side, 32 bytes each, not ASN.1.
		r, t, err := ecdsa.Sign(rand.Reader, key, digest[:])
		if err != nil {
			return "", fmt.Errorf("sign token: %w", err)
		}
		signature = append(r.FillBytes(make([]byte, 32)), t.FillBytes(make([]byte, 32))...)
	default:
		signature, err = s.key.Sign(rand.Reader, digest[:], crypto.SHA256)
		if err != nil {
			return "", fmt.Errorf("sign token: %w", err)
		}
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(signature), nil
}

// verify checks the signature under this signer's own key, whatever the token's
// header says about algorithm and chain, and returns the claims.
func (s *signer) verify(token string) (Claims, error) {
	i := strings.LastIndex(token, ".")
	if i < 0 {
		return Claims{}, fmt.Errorf("%w: not a JWT", ErrToken)
	}
	_, payload, ok := strings.Cut(token[:i], ".")
	signature, err := base64.RawURLEncoding.DecodeString(token[i+1:])
	if err != nil || !ok {
		return Claims{}, fmt.Errorf("%w: not a JWT", ErrToken)
	}
	digest := sha256.Sum256([]byte(token[:i]))
	good := false
	switch public := s.key.Public().(type) {
	case *ecdsa.PublicKey:
		if len(signature) == 64 {
			r, t := new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])
			good = ecdsa.Verify(public, digest[:], r, t)
		}
	case *rsa.PublicKey:
		good = rsa.VerifyPKCS1v15(public, crypto.SHA256, digest[:], signature) == nil
	}
	if !good {
		return Claims{}, fmt.Errorf("%w: wrong signature", ErrToken)
	}
	body, err := base64.RawURLEncoding.DecodeString(payload)
	if err != nil {
		return Claims{}, fmt.Errorf("%w: not a JWT", ErrToken)
	}
	var claims Claims
	if json.Unmarshal(body, &claims) != nil {
		return Claims{}, fmt.Errorf("%w: claims are not JSON", ErrToken)
	}
	return claims, nil
}
