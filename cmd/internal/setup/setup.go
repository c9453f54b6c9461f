package setup

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unicode"

	"golang.org/x/mod/sumdb/note"

	"portillon/cmd/internal/daemoncmd"
	"portillon/keykind"
	"portillon/wire"
)

// Options contains the arguments of the command line.
type Options struct {
	Answers
	// LampInPlace confirms that a lamp is connected in place of the machine, so that the acceptance test may close the
	// relay.
	LampInPlace bool
	Wiring      string // name of a sample in /usr/share/portillon, or path of a file
	Root        string // root folder of this computer's files: /
	// true: Root is the root of the running computer, which setup may restart and whose services setup may start
	Live     bool
	Dir      string // folder of machine files below Root: /etc/portillon
	CardKey  string // file to install as the site's card key
	Bundle   string // file to install as the site's bundle
	By       string // name of the person who performs the acceptance test
	NoReboot bool
	NoTest   bool
	Again    bool // true: repeat a test that was passed with the same wiring
	Version  string
}

// Setup is the state of one run of the command.
type Setup struct {
	Options
	Term   *Terminal
	Host   Host
	Found  []string                                          // connected USB readers
	Doctor func(context.Context, daemoncmd.Config) (ill int) // prints findings, returns the number of faults
}

// Run returns one of these errors if it stopped early and has already printed the reason.
var (
	ErrIncomplete = errors.New("setup is not complete, run it again after the steps above")
	ErrNotPassed  = errors.New("acceptance test was not passed")
	ErrReboot     = errors.New("setup has restarted the Pi")
)

// Run performs the steps that are not done yet. The error is nil if the machine has passed its acceptance test, or if
// all steps are done and the test was skipped on request.
func (s *Setup) Run(ctx context.Context) error {
	c, path, err := s.machineFile(ctx)
	if err != nil {
		return err
	}
	if err := s.machineKey(c); err != nil {
		return err
	}
	if err := s.installFiles(c); err != nil {
		return err
	}
	if err := s.boot(ctx, c); err != nil {
		return err
	}
	if err := s.check(c); err != nil {
		return err
	}
	if err := s.reboot(ctx); err != nil {
		return err
	}
	if !s.Live {
		s.Term.Say(t("Les fichiers sont prêts. Sur le Pi, relancer sans --root.",
			"The files are ready. On the Pi, run again without --root."))
		return nil
	}
	if err := s.start(ctx, c); err != nil {
		return err
	}
	if err := s.examine(ctx, c); err != nil || s.NoTest {
		return err
	}
	return s.trial(ctx, c, path)
}

// path returns a path below Root.
func (s *Setup) path(p string) string { return filepath.Join(s.Root, p) }

// store returns the folder of systemd's credentials.
func (s *Setup) store() string { return s.path("etc/credstore") }

// belowRoot returns a configuration with all paths below Root.
func (s *Setup) belowRoot(c daemoncmd.Config) daemoncmd.Config {
	if filepath.Clean(s.Root) == "/" {
		return c
	}
	for _, p := range []*string{&c.Data, &c.Bundle.File, &c.Control} {
		if filepath.IsAbs(*p) && !strings.HasPrefix(*p, filepath.Clean(s.Root)+"/") {
			*p = s.path(*p)
		}
	}
	return c
}

// machineFile reads the existing machine.yaml of the machine, or creates a new one.
func (s *Setup) machineFile(ctx context.Context) (daemoncmd.Config, string, error) {
	if err := s.Answers.Check(); err != nil {
		return daemoncmd.Config{}, "", err
	}
	if err := s.selectOnlyMachine(); err != nil {
		return daemoncmd.Config{}, "", err
	}
	// Leave an existing file unchanged unless an answer or a wiring changes it.
	path := s.path(filepath.Join(s.Dir, s.Machine+".yaml"))
	_, err := os.Stat(path)
	there := err == nil && s.Machine != ""
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return daemoncmd.Config{}, "", err
	}
	given := s.Answers
	given.Machine = ""
	if there && s.Wiring == "" && given == (Answers{}) {
		s.Term.Say(tf("%s : déjà là, gardé", "%s: is there already, kept", path))
		c, err := readWires(path)
		if err == nil {
			err = checkFileName(filepath.Base(path), c)
		}
		return s.belowRoot(c), path, err
	}
	// Create the text of machine.yaml from the answers or from a wiring. Compute the path again, because it contains the
	// machine's id, which the questions may have determined.
	text, err := s.text(ctx)
	if err != nil {
		return daemoncmd.Config{}, "", err
	}
	path = s.path(filepath.Join(s.Dir, s.Machine+".yaml"))
	was, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return daemoncmd.Config{}, "", err
	}
	if err := s.write(ctx, path, string(was), text); err != nil {
		return daemoncmd.Config{}, "", err
	}
	c, err := readWires(path)
	return s.belowRoot(c), path, err
}

// selectOnlyMachine selects the machine of this computer if exactly one exists and the command line names no machine.
func (s *Setup) selectOnlyMachine() error {
	if s.Machine != "" || s.Wiring != "" {
		return nil
	}
	found, err := filepath.Glob(s.path(filepath.Join(s.Dir, "*.yaml")))
	if err == nil && len(found) == 1 {
		if id := strings.TrimSuffix(filepath.Base(found[0]), ".yaml"); slug.MatchString(id) {
			s.Machine = id
		}
	}
	return err
}

// text returns the new content of the machine.yaml.
func (s *Setup) text(ctx context.Context) (string, error) {
	if s.Wiring != "" {
		return s.fromWiring(ctx)
	}
	s.Term.Say(t("Quelques questions sur cette machine. Entrée prend la réponse marquée *.",
		"Some questions about this machine. Enter takes the answer marked *."))
	a, err := complete(s.Answers, s.Found, s.asker(ctx), s.Term.Say)
	s.Answers = a
	return a.Render(), err
}

// write shows the changes of the machine.yaml, copies the old file, and writes the new file.
func (s *Setup) write(ctx context.Context, path, was, text string) error {
	if err := parse(filepath.Base(path), text); err != nil {
		return err
	}
	if was == text {
		s.Term.Say(tf("%s : sans changement", "%s: no change", path))
		return nil
	}
	if err := s.replace(ctx, path, was, text, 0o644); err != nil {
		return err
	}
	s.Term.Say(tf("%s : écrit", "%s: written", path))
	return nil
}

// replace shows the change of a file, asks for confirmation, and replaces the file's text if the person answers yes.
func (s *Setup) replace(ctx context.Context, path, was, text string, mode os.FileMode) error {
	if was != "" { // show the change, ask for confirmation, and copy the old file
		fmt.Fprint(s.Term.out, printable(Diff(was, text)))
		yes, err := s.Term.Confirm(ctx, tf("Changer %s ainsi ?", "Change %s so?", path))
		if err != nil {
			return err
		}
		if !yes {
			s.Term.Say(tf("%s n’est pas changé.", "%s is not changed.", path))
			return ErrIncomplete
		}
		copied := path + ".old-" + s.Host.Now().UTC().Format("20060102-150405")
		if err := wire.WriteFile(copied, []byte(was), mode); err != nil {
			return err
		}
		s.Term.Say(tf("copie de l’ancien : %s", "copy of the old one: %s", copied))
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return wire.WriteFile(path, []byte(text), mode)
}

// printable removes from a text the characters that could control the terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' && r != '\t' || unicode.Is(unicode.Cf, r) {
			return -1
		}
		return r
	}, s)
}

// parse parses a text as a machine.yaml.
func parse(name, text string) error {
	dir, err := os.MkdirTemp("", "portillon-setup-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return err
	}
	c, err := readWires(path)
	if err == nil {
		err = checkFileName(name, c)
	}
	return err
}

// checkFileName returns an error if a file's name differs from the id of the file's machine. The name of the unit is
// the name of the file, so with a wrong name setup would start the daemon of one machine and send signals to the daemon
// of another.
func checkFileName(name string, c daemoncmd.Config) error {
	if c.Machine+".yaml" == name {
		return nil
	}
	return fmt.Errorf("file %s is for machine %s, want machine %s", name, c.Machine, strings.TrimSuffix(name, ".yaml"))
}

// readWires reads a machine.yaml and checks its pins. Keys and folders are not checked, because setup creates them
// later.
func readWires(path string) (daemoncmd.Config, error) {
	c, err := daemoncmd.ReadConfig(path)
	if err == nil {
		err = c.CheckWires()
	}
	return c, err
}

// machineKey creates the machine's key if it is missing, and shows the public half.
func (s *Setup) machineKey(c daemoncmd.Config) error {
	path, err := c.KeyFile(s.store(), c.MachineKey)
	if err != nil {
		return err
	}
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		name, err := keykind.Name(keykind.Machine, c.Machine+"."+c.Site)
		if err != nil {
			return err
		}
		private, _, err := note.GenerateKey(rand.Reader, name)
		if err != nil {
			return err
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return err
		}
		if err := wire.WriteFile(path, []byte(private+"\n"), 0o600); err != nil {
			return err
		}
		s.Term.Say(tf("%s : clé de la machine créée", "%s: the machine’s key is made", path))
	}
	_, public, err := c.Signer(s.store())
	if errors.Is(err, fs.ErrPermission) {
		s.Term.Say(tf("%s n’est pas lisible : relancer avec sudo", "%s cannot be read: run again with sudo", path))
		return ErrIncomplete
	}
	if wrong := (*keykind.Wrong)(nil); errors.As(err, &wrong) {
		return fmt.Errorf("%w; move the file away, so that setup creates a key for this machine", err)
	}
	if err != nil {
		return err
	}
	s.Term.Say(tf("clé publique de la machine, à donner au hub :\n  %s",
		"the machine’s public key, for the hub:\n  %s", public))
	return nil
}

// installFiles installs the card key and the bundle if the command line names them.
func (s *Setup) installFiles(c daemoncmd.Config) error {
	if err := s.putCardKey(c); err != nil {
		return err
	}
	return s.putBundle(c)
}

// putCardKey installs the card key. putCardKey does not replace a different card key, because the machine would then
// recognise no card of the site.
func (s *Setup) putCardKey(c daemoncmd.Config) error {
	if s.CardKey == "" {
		return nil
	}
	b, err := readSmall(s.CardKey)
	if err != nil {
		return err
	}
	if err := (keykind.Place{Kind: keykind.Card, Private: true}).Check(string(b)); err != nil {
		return fmt.Errorf("--card-key: file %s cannot be used: %w", s.CardKey, err)
	}
	if key, err := hex.DecodeString(strings.TrimSpace(string(b))); err != nil || len(key) < 16 {
		return fmt.Errorf("--card-key: %s is not a card key, want at least 32 hexadecimal digits on one line",
			s.CardKey)
	}
	path, err := c.KeyFile(s.store(), c.CardKey)
	if err != nil {
		return err
	}
	if was, err := os.ReadFile(path); err == nil && strings.TrimSpace(string(was)) != strings.TrimSpace(string(b)) {
		return fmt.Errorf("--card-key: %s holds another key: with a new key every card of the site is "+
			"unknown; move the old one away first", path)
	}
	return errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), wire.WriteFile(path, b, 0o600))
}

// putBundle installs the bundle. putBundle rejects a bundle of another site, because the machine would reject that
// bundle at each start.
func (s *Setup) putBundle(c daemoncmd.Config) error {
	if s.Bundle == "" {
		return nil
	}
	b, err := readSmall(s.Bundle)
	if err != nil {
		return err
	}
	path := c.Bundle.File
	if path == "" {
		return fmt.Errorf("--bundle: machine.yaml has no bundle: file:, which must name the path of the bundle")
	}
	if err := s.checkSite(b, c); err != nil {
		return fmt.Errorf("--bundle: file %s cannot be used: %w", s.Bundle, err)
	}
	mine := []string{path}
	if dir := filepath.Dir(path); !exists(dir) { // leave the owner of an existing folder unchanged
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
		mine = []string{dir, path}
	}
	return errors.Join(wire.WriteFile(path, b, 0o600), s.setOwner(mine...))
}

// checkSite returns an error if a bundle does not belong to this site.
func (s *Setup) checkSite(b []byte, c daemoncmd.Config) error {
	v, err := note.NewVerifier(c.Bundle.Key)
	if err != nil {
		return err
	}
	take := func(_ []byte, m wire.Manifest) error {
		if string(m.Site) != c.Site {
			return fmt.Errorf("bundle belongs to site %s, want site %s", m.Site, c.Site)
		}
		_, _, err := wire.ChooseCardKey(m, c.CardKeys(s.store())...)
		return err
	}
	return wire.ReadBundle(bytes.NewReader(b), note.VerifierList(v), take, func(string, []byte) error { return nil })
}

// maxFile is the size limit of an installed file, in bytes. The limit is enough, because a bundle of a thousand members
// has only a few megabytes.
const maxFile = 64 << 20

// readSmall reads a file that a person has named on the command line. A file of more than maxFile bytes is an error.
func readSmall(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(b) > maxFile {
		err = fmt.Errorf("file %s has more than %d bytes, the size limit", path, maxFile)
	}
	return b, err
}

// exists reports whether a path exists.
func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// setOwner makes the daemon's user the owner of files.
func (s *Setup) setOwner(paths ...string) error {
	if !s.Live {
		return nil
	}
	return s.Host.Own(paths...)
}

// check prints the faults for which the daemon would not start, and the files that are missing.
func (s *Setup) check(c daemoncmd.Config) error {
	on := daemoncmd.Here(s.Host.Now())
	on.Unit, on.Credstore = "", s.store()
	found := c.Check(on)
	for _, n := range found.Notes() {
		s.Term.Say(tf("  ? %s", "  ? %s", n))
	}
	if len(found.Faults) == 0 {
		return nil
	}
	s.Term.Say(t("Il manque encore :", "Still missing:"))
	for _, err := range found.Faults {
		s.Term.Say(tf("  - %v", "  - %v", err))
	}
	s.Term.Say(t("La clé des cartes et le paquet d’accès viennent de qui tient le lieu : portillon setup "+
		"--card-key FICHIER --bundle FICHIER les met en place. Puis relancer.",
		"The card key and the bundle come from whoever keeps the site: portillon setup --card-key FILE --bundle "+
			"FILE puts them in place. Then run again."))
	return ErrIncomplete
}

// patience is the maximum wait for a daemon to start. The wait ends before the start timeout of the daemon's unit,
// which is one minute.
const patience = 70 * time.Second

// start enables the unit and waits until the daemon answers.
func (s *Setup) start(ctx context.Context, c daemoncmd.Config) error {
	unit := "portillond@" + strings.TrimSuffix(filepath.Base(s.Machine), ".yaml")
	if err := s.Host.Systemctl(ctx, "enable", "--now", unit); err != nil {
		return err
	}
	for end := s.Host.Now().Add(patience); ; s.Host.Pause(ctx, pollInterval) {
		_, err := s.Host.Status(ctx, c.Control)
		switch {
		case err == nil:
			s.Term.Say(tf("%s : en marche", "%s: runs", unit))
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case s.Host.Now().After(end):
			return fmt.Errorf("%s does not answer: %w; for the reason, run: journalctl -u %s", unit, err, unit)
		}
	}
}

// examine prints the doctor's findings. If the doctor finds faults, examine asks the person whether to start the
// acceptance test anyway.
func (s *Setup) examine(ctx context.Context, c daemoncmd.Config) error {
	ill := s.Doctor(ctx, c)
	if ill == 0 || s.NoTest {
		return nil
	}
	yes, err := s.Term.Confirm(ctx, tf("%d point(s) à corriger. Faire quand même l’essai de réception ?",
		"%d thing(s) to mend. Do the acceptance test all the same?", ill))
	if err == nil && !yes {
		err = ErrIncomplete
	}
	return err
}
