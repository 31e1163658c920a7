package registry

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
)

// Docker Hub's device login, as docker's own client does it (docker/cli, internal/oauth):
// the issuer's access token is for Hub's API and no password of the registry; Hub makes a
// personal access token for it.
const (
	// HubIssuer is the issuer of Docker Hub's accounts.
	HubIssuer = "https://login.docker.com/"
	// HubAudience is the API that the access token has to be for.
	HubAudience = "https://hub.docker.com"
	// HubScope is what docker's own client asks for.
	HubScope = "openid offline_access"

	hubGenerate = "/v2/access-tokens/desktop-generate"
)

// HubToken exchanges the access token of a device login at [HubIssuer] for a personal
// access token. The user name is what the access token claims, "" where it has none. It is
// asked once, never again: every answer is a new token of the account.
func (c *Client) HubToken(ctx context.Context, accessToken string) (username, token string, r Result) {
	s, u, fail := c.openIssuer(HubAudience)
	if fail != nil {
		return "", "", s.result("", fail)
	}
	defer s.router.close()
	s.secrets.learn(accessToken)
	ctx, done := s.timed(ctx)
	defer done()
	token, fail = s.hubToken(ctx, u, accessToken)
	if fail != nil {
		return "", "", s.result("", fail)
	}
	var claims struct {
		Hub struct{ Username string } `json:"https://hub.docker.com"`
	}
	if readClaims(accessToken, &claims) && usableName(claims.Hub.Username) {
		username = claims.Hub.Username
	}
	return username, token, s.result("", &failure{outcome: Verified, message: "Docker Hub made a personal access token"})
}

func (s *session) hubToken(ctx context.Context, u *url.URL, accessToken string) (string, *failure) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.JoinPath(hubGenerate).String(), nil)
	if err != nil {
		return "", &failure{outcome: Protocol, message: "cannot make a request to " + origin(u)}
	}
	req.Header.Set("Authorization", "Bearer "+accessToken)
	req.Header.Set("Content-Type", "application/json")
	res, err := (&http.Client{
		Transport:     &issuerTransport{s: s},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}).Do(req)
	if err != nil {
		return "", s.explain(ctx, err)
	}
	defer func() { _ = res.Body.Close() }()
	var body struct{ Data struct{ Token string } }
	ans := &answer{status: res.StatusCode, header: res.Header}
	// The transport has read it whole; what does not parse has no token.
	decoded := json.NewDecoder(res.Body).Decode(&body)
	switch token := body.Data.Token; {
	case ans.status == http.StatusUnauthorized, ans.status == http.StatusForbidden:
		return "", &failure{outcome: Forbidden, message: "Docker Hub made no personal access token: " + statusText(ans.status)}
	case ans.status != http.StatusCreated:
		return "", s.unsuccessful(ans, "Docker Hub")
	case decoded != nil, s.usable(DeviceGrant{AccessToken: token}) != nil:
		return "", &failure{outcome: Protocol, message: "Docker Hub answered without a usable token"}
	default:
		return token, nil
	}
}
