package daemoncmd

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The hub's time confirms the machine's clock only if the two clocks differ by less than a minute.
func TestHubConfirmsOnlyAClockWithinAMinuteOfTheHubsClock(t *testing.T) {
	for _, c := range []struct {
		ahead, within time.Duration
		want          bool
	}{
		{0, 0, true}, {time.Minute, 0, true}, {-time.Minute, 0, true}, {time.Minute + time.Second, time.Second, true},
		{time.Minute + time.Second, 0, false}, {-time.Hour, time.Second, false},
		{56 * 365 * 24 * time.Hour, time.Second, false},
	} {
		wall, mono := time.Unix(1_800_000_000, 0), time.Hour
		v := &clockTrust{asks: func() bool { return false }, now: func() (time.Time, time.Duration) { return wall, mono }}
		if v.trusted() {
			t.Fatal("a clock is trusted that nobody vouched for")
		}
		if got := v.trustHub(c.ahead, c.within); got != c.want || v.trusted() != c.want {
			t.Errorf("%v ± %v: %v, trusted %v, want %v", c.ahead, c.within, got, v.trusted(), c.want)
		}
		wall, mono = wall.Add(time.Hour), mono+time.Hour
		if v.trusted() != c.want {
			t.Errorf("%v: an hour later: %v", c.ahead, v.trusted())
		}
		if wall = wall.Add(time.Minute); v.trusted() {
			t.Errorf("%v: a clock that was set is trusted on the hub's old word", c.ahead)
		}
	}
}

func TestHubSectionNeedsAnAddressAndAName(t *testing.T) {
	text, err := os.ReadFile("../../../firmware-config/usb-reader-relay.yaml")
	if err != nil {
		t.Fatal(err)
	}
	read := func(add string) (Config, error) {
		path := filepath.Join(t.TempDir(), "vinyl.yaml")
		if err := os.WriteFile(path, []byte(strings.Replace(string(text), ", file: /var/lib/portillon/site.bundle", "",
			1)+add), 0o600); err != nil {
			t.Fatal(err)
		}
		return ReadConfig(path)
	}
	if c, err := read("hub: { address: \"https://192.168.1.9\", name: hub.local }\n"); err != nil ||
		c.Hub != (HubConfig{"192.168.1.9:8443", "hub.local"}) {
		t.Errorf("%+v %v", c.Hub, err)
	}
	for add, want := range map[string]string{
		"":                                  "names no source",
		"hub: { name: hub.local }\n":        "hub.address: is missing",
		"hub: { address: \"hub.local\" }\n": "hub.name: is missing",
		"hub: { address: \"http://h:1\", name: h }\n": "is no address of a hub",
		"hub: { address: \"h/x\", name: h }\n":        "is no address of a hub",
	} {
		if _, err := read(add); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", add, err, want)
		}
	}
}

// If the files of its enrolment are missing, a machine works without a hub.
func TestMachineWithoutItsEnrolmentFilesHasNoConnectionToTheHub(t *testing.T) {
	c := Config{Data: t.TempDir(), Hub: HubConfig{"127.0.0.1:1", "hub.local"}}
	c.MQTT.HubKey = "portillon-biklab+c260dc51+ARYiNm5YZQpt7c5qwRIEmnUAwwGd0tERIG7mdzSA5fIO"
	if _, err := c.HubLink(nil, time.Now, func() bool { return true }); err == nil ||
		!strings.Contains(err.Error(), "authority.crt") {
		t.Error(err)
	}
	if _, err := (Config{}).HubLink(nil, time.Now, func() bool { return true }); err == nil ||
		!strings.Contains(err.Error(), "portillond enrol") {
		t.Error(err)
	}
}
