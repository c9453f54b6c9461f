package setup

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"portillon/cmd/internal/daemoncmd"
	"portillon/policy"
)

// reboot restarts the Pi if config.txt has changed since the Pi started.
func (s *Setup) reboot(ctx context.Context) error {
	if _, err := os.Stat(s.path(restartMark)); err != nil {
		return nil
	}
	again := t("Le Pi doit redémarrer : config.txt a changé. Ensuite : sudo portillon setup",
		"The Pi must restart: config.txt has changed. After that: sudo portillon setup")
	s.Term.Say(again)
	if s.NoReboot || !s.Live {
		return nil
	}
	yes, err := s.Term.Confirm(ctx, t("Redémarrer maintenant ?", "Restart now?"))
	if err != nil {
		return err
	}
	if !yes {
		return ErrIncomplete
	}
	if err := s.Host.Systemctl(ctx, "reboot"); err != nil {
		return err
	}
	return ErrReboot
}

// asker returns a function that asks questions at the terminal until ctx ends.
func (s *Setup) asker(ctx context.Context) func(policy.Text) (string, error) {
	return func(x policy.Text) (string, error) { return s.Term.Ask(ctx, x) }
}

// samples is the folder with a sample machine.yaml for each wiring, which the Debian package installs.
const samples = "usr/share/portillon"

// sampleReader matches the USB reader that a sample names.
var sampleReader = regexp.MustCompile(`/dev/input/by-id/[^\s,}"]+`)

// sampleAsks reports whether setup must still ask for this answer if the person has chosen a sample as the wiring.
func sampleAsks(flag, sample string) bool {
	switch flag {
	case "machine", "site", "bundle-key":
		return true
	case "port":
		return sampleReader.MatchString(sample)
	}
	return false
}

// fromWiring returns a machine.yaml with the wiring of a sample or of another machine.yaml.
func (s *Setup) fromWiring(ctx context.Context) (string, error) {
	path, own := s.Wiring, true
	if !strings.ContainsAny(path, "/.") {
		path, own = filepath.Join(s.path(samples), path+".yaml"), false
	}
	b, err := readSmall(path)
	if err != nil {
		return "", err
	}
	text := string(b)
	if own && s.Machine == "" { // return the text unchanged, because the file already belongs to this machine
		c, err := daemoncmd.ReadConfig(path)
		if err != nil {
			return "", err
		}
		s.Machine = c.Machine
	}
	for _, q := range questions(s.Found) {
		missing := *q.into(&s.Answers) == ""
		if missing && !own && sampleAsks(q.flag, text) {
			if err := q.askUntilValid(&s.Answers, s.asker(ctx), s.Term.Say); err != nil {
				return "", err
			}
		}
	}
	if s.Port != "" {
		text = sampleReader.ReplaceAllLiteralString(text, s.Port)
	}
	return s.Answers.FromWiring(text), nil
}
