package packaging

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// compose is the content of the sample compose file. Parsing the file fails if the file has a key that compose does not
// have.
type compose struct {
	Services map[string]struct {
		Image       string   `yaml:"image"`
		Hostname    string   `yaml:"hostname"`
		Restart     string   `yaml:"restart"`
		ReadOnly    bool     `yaml:"read_only"`
		CapDrop     []string `yaml:"cap_drop"`
		SecurityOpt []string `yaml:"security_opt"`
		Ports       []string `yaml:"ports"`
		Volumes     []string `yaml:"volumes"`
		Healthcheck struct {
			Test        []string `yaml:"test"`
			Interval    string   `yaml:"interval"`
			Timeout     string   `yaml:"timeout"`
			StartPeriod string   `yaml:"start_period"`
		} `yaml:"healthcheck"`
	} `yaml:"services"`
	Volumes map[string]any `yaml:"volumes"`
}

func TestComposeFileMatchesTheImage(t *testing.T) {
	d := yaml.NewDecoder(strings.NewReader(read(t, "packaging/oci/compose.yaml")))
	d.KnownFields(true)
	var c compose
	if err := d.Decode(&c); err != nil {
		t.Fatal(err)
	}
	hub, ok := c.Services["hub"]
	if !ok || len(c.Services) != 1 {
		t.Fatalf("%+v", c.Services)
	}
	image := read(t, "packaging/oci/Containerfile")
	if !strings.Contains(read(t, "packaging/build-image"), " -t "+hub.Image+" ") {
		t.Errorf("build-image makes no image %s", hub.Image)
	}
	// The ports that the compose file publishes must equal the ports of a new hub and the ports that the image declares.
	config := read(t, "hub/create.go")
	exposed := strings.Fields(regexp.MustCompile(`(?m)^EXPOSE (.*)$`).FindStringSubmatch(image)[1])
	var published []string
	for _, p := range hub.Ports {
		outside, inside, _ := strings.Cut(p, ":")
		if outside != inside || !strings.Contains(config, ":"+inside) {
			t.Errorf("port %s: a new hub does not listen there", p)
		}
		published = append(published, inside)
	}
	if !slices.Equal(published, exposed) {
		t.Errorf("ports %v, the image exposes %v", published, exposed)
	}
	if _, ok := c.Volumes["data"]; !ok || !slices.Equal(hub.Volumes, []string{"data:/data"}) || !strings.Contains(image,
		"\nVOLUME /data\n") {
		t.Errorf("volumes %v, %v", hub.Volumes, c.Volumes)
	}
	if !hub.ReadOnly || !slices.Equal(hub.CapDrop, []string{"ALL"}) || !slices.Equal(hub.SecurityOpt,
		[]string{"no-new-privileges:true"}) {
		t.Errorf("the container may do more than it needs: %+v", hub)
	}
	if h := hub.Healthcheck; !slices.Equal(h.Test, []string{"CMD", "/portillon-hub", "health"}) || h.Interval == "" ||
		h.Timeout == "" || h.StartPeriod == "" {
		t.Errorf("health check %+v", h)
	}
	if !regexp.MustCompile(`(?m)^USER [1-9]\d*:[1-9]\d*$`).MatchString(image) {
		t.Error("the image's program runs as root")
	}
}
