package hub

import (
	"errors"
	"strings"
	"testing"

	"portillon/yamlfile"
)

// The hub's address for browsers consists of a scheme and a host. Plain http is allowed only for a reverse proxy on the
// same computer.
func TestWebURLHasOnlySchemeAndHost(t *testing.T) {
	for text, want := range map[string]string{
		"https://hub.lab.example":      "https://hub.lab.example",
		"https://hub.lab.example:8443": "https://hub.lab.example:8443",
		"http://127.0.0.1:8080":        "http://127.0.0.1:8080",
		"https://hub.lab.example/":     "https://hub.lab.example",
		"https://hub.lab.example/hub":  "",
		"https://hub.lab.example?a=b":  "",
		"https://hub.lab.example#a":    "",
		"https://me@hub.lab.example":   "",
		"https://":                     "",
		"ftp://hub.lab.example":        "",
		"hub.lab.example":              "",
		"https://hub.lab.example:port": "",
	} {
		d := yamlfile.Parse("hub.yaml", []byte("url: \""+text+"\"\n"))
		u := baseURL(d.Root().Get("url"))
		switch {
		case want == "":
			if u != nil || d.Err() == nil || !strings.Contains(d.Err().Error(), "is no address of the form") {
				t.Errorf("%s: %v, %v", text, u, d.Err())
			}
		case u == nil || u.String() != want || d.Err() != nil:
			t.Errorf("%s: %v, %v, want %s", text, u, d.Err(), want)
		}
	}
	if u := baseURL(yamlfile.Parse("hub.yaml", []byte("listen: x\n")).Root().Get("url")); u != nil {
		t.Errorf("without a url: %v", u)
	}
}

func TestNotReadyErrorUnwrapsToItsCause(t *testing.T) {
	cause := errors.New("disk full")
	if err := error(notReady{cause, "the disk is full"}); !errors.Is(err, cause) {
		t.Error("the cause is lost")
	}
}
