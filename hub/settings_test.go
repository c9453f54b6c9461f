package hub_test

import (
	"bytes"
	"net/http"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"portillon/hub"
	"portillon/hub/api"
)

// createOwner creates the first owner and signs the browser in.
func (b *browser) createOwner(h *runningHub) {
	b.t.Helper()
	owner := url.Values{"code": {h.OwnerCode()}, "name": {"ada@lab.example"}, "password": {"a-long-and-odd-password"}}
	if status := b.form("/code/owner", owner); status != http.StatusSeeOther {
		b.t.Fatalf("the owner's code: %d", status)
	}
}

// patch sends a JSON merge patch with a version in the If-Match header.
func (b *browser) patch(path, version, body string) (int, []byte) {
	b.t.Helper()
	return b.do("PATCH", "/api/v1"+path, "application/merge-patch+json", []byte(body), "If-Match", `"`+version+`"`)
}

func TestSettingsTakeEffectAtOnceAndAreKeptAfterARestart(t *testing.T) {
	h, b := managedHub(t)
	b.createOwner(h)
	var s api.Settings
	b.json(200, "GET", "/settings", nil, &s)
	if s.Name != "biklab" || s.Language != "fr" || !s.MailLinks || s.Mail || s.Zone != "Europe/Paris" || s.URL != b.base {
		t.Errorf("of a new site: %+v", s)
	}
	for body, want := range map[string]int{
		`{"name": "Bik'Lab <3", "contact": "bureau@biklab.example"}`: 200,
		`{"name": ""}`:                      422,
		`{"name": "a\u202eb"}`:              422,
		`{"name": "a\nb"}`:                  422,
		`{"contact": "a\r\nBcc: x"}`:        422,
		`{"language": "de"}`:                422,
		`{"time_zone": "UTC"}`:              422,
		`{"url": "https://evil.example"}`:   422,
		`{"contact": "` + long(201) + `"}`:  422,
		`{"name": "` + long(101) + `"}`:     422,
		`{"language": "en", "name": "Lab"}`: 200,
	} {
		var before api.Settings
		b.json(200, "GET", "/settings", nil, &before)
		if status, answer := b.patch("/settings", version(before.Version), body); status != want {
			t.Errorf("%.80s: %d, want %d: %.200s", body, status, want, answer)
		}
	}
	if status, _ := b.patch("/settings", "0", `{"name": "Other"}`); status != http.StatusPreconditionFailed {
		t.Errorf("a change of an old version: %d", status)
	}
	b.json(200, "GET", "/settings", nil, &s)
	if s.Version != 2 || s.Language != "en" {
		t.Errorf("after the changes: %+v", s)
	}
	if status, _ := b.patch("/settings", "2", `{"name": "Bik'Lab <3"}`); status != 200 {
		t.Error(status)
	}
	if _, page := b.do("GET", "/today", "", nil); !bytes.Contains(page, []byte("Bik&#39;Lab &lt;3")) {
		t.Error("the page does not show the new name")
	}
	_, log := b.do("GET", "/api/v1/audit", "", nil)
	if !bytes.Contains(log, []byte("settings.write")) || bytes.Contains(log, []byte("bureau@")) {
		t.Errorf("the audit log: %.500s", log)
	}
	h.stop()
	again := run(t, h.config)
	b.base = again.WebURL()
	b.json(200, "GET", "/settings", nil, &s)
	if s.Version != 3 || s.Name != "Bik'Lab <3" || s.Contact != "bureau@biklab.example" {
		t.Errorf("after a restart: %+v", s)
	}
}

// Two administrators change the same version of the settings. The hub refuses the second change, which would
// overwrite the first change unnoticed.
func TestSecondChangeOfTheSameSettingsVersionIsRefused(t *testing.T) {
	h, b := managedHub(t)
	b.createOwner(h)
	for round := range 20 {
		var s api.Settings
		b.json(200, "GET", "/settings", nil, &s)
		const both = 4
		got := make(chan int, both)
		for i := range both {
			go func() {
				status, _ := b.patch("/settings", version(s.Version), `{"name": "Lab `+strconv.Itoa(round*both+i)+`"}`)
				got <- status
			}()
		}
		taken := 0
		for range both {
			if <-got == 200 {
				taken++
			}
		}
		if taken != 1 {
			t.Fatalf("round %d: %d changes of version %d were taken", round, taken, s.Version)
		}
	}
}

func long(n int) string { return string(bytes.Repeat([]byte("a"), n)) }

func TestStateContainsVersionsCountsAndWarningsOfTheHub(t *testing.T) {
	h, b := managedHub(t)
	b.createOwner(h)
	b.json(201, "POST", "/machines", map[string]string{"id": "laser"}, nil)
	var s api.State
	eventually(t, func() bool {
		b.json(200, "GET", "/hub", nil, &s)
		return s.Broker && s.Bundle > 0
	})
	if !s.Ready || s.Site != "biklab" || s.Policy != 1 || s.Machines != 1 || s.Online != 0 || s.Disk <= 0 ||
		s.Database < 4096 || s.Program == "" || time.Since(s.Started) > time.Hour || len(s.Warnings) != 0 {
		t.Errorf("%+v", s)
	}
	if !strings.HasSuffix(b.base, s.Listens.Web[strings.LastIndex(s.Listens.Web, ":"):]) ||
		s.Listens.Machines != h.MachinesAddr() || s.Listens.Broker != h.Broker() {
		t.Errorf("%+v", s.Listens)
	}
	at := time.Date(2026, 11, 30, 9, 0, 0, 0, time.UTC)
	if err := hub.NoteBackup(h.config.Data, at); err != nil {
		t.Fatal(err)
	}
	if b.json(200, "GET", "/hub", nil, &s); !s.Backup.Equal(at) {
		t.Errorf("last backup %v", s.Backup)
	}
	write(t, filepath.Join(h.config.Data, "last-backup"), "rubbish")
	s = api.State{}
	if b.json(200, "GET", "/hub", nil, &s); !s.Backup.IsZero() {
		t.Errorf("a damaged note: %v", s.Backup)
	}
}

func version(n int64) string { return strconv.FormatInt(n, 10) }
