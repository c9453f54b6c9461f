// Package enrol joins a machine to its site: «portillond enrol https://hub.local:8443 CODE». Package enrol creates the
// machine's keys on the machine, sends only the public halves to the hub, and stores the hub's answer in the files that
// the systemd unit reads.
package enrol

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"portillon/cmd/internal/daemoncmd"
	"portillon/cmd/internal/hublink"
	"portillon/cmd/internal/setup"
	"portillon/keykind"
	"portillon/policy"
	"portillon/wire"
)

// Options contains the arguments of the command line.
type Options struct {
	Address string // the hub's URL or host:port
	Code    string
	// name of a sample in /usr/share/portillon, or path of a file; empty: the wiring of the existing machine.yaml
	Wiring  string
	Replace bool   // true: the machine has already joined with another SD card or computer, which this one replaces
	Dir     string // folder of machine files below Root: /etc/portillon
	Root    string // root folder of this computer's files: /
	NoStart bool   // true: do not start the unit
	// Folder, if set, replaces Dir and Root: it contains the machine.yaml, the keys and the data. No other file of the
	// computer is changed, no unit is started, and the command does not need root. If Folder is set and Wiring is empty,
	// the pins of the machine are simulated.
	Folder string
	Lang   policy.Language
}

// Enrolment is one run of the command «portillond enrol».
type Enrolment struct {
	Options
	Host    setup.Host
	Out     io.Writer
	Dial    hublink.Dial // dials the hub; nil: over the network
	Program string       // version of the program, which the enrolment sends to the hub
}

// Run returns ErrIncomplete if the machine has joined but cannot start yet. Run has then already printed what is
// missing.
var ErrIncomplete = errors.New("machine has joined the site but cannot start yet")

// say prints a line in the language of the person who runs the command.
func (e *Enrolment) say(fr, en string, a ...any) {
	fmt.Fprintf(e.Out, policy.Text{FR: fr, EN: en}.In(e.Lang)+"\n", a...)
}

// path returns a path below Root.
func (e *Enrolment) path(p string) string { return filepath.Join(e.Root, p) }

// store returns the folder of systemd's credentials.
func (e *Enrolment) store() string { return e.path("etc/credstore") }

// isLive reports whether Root is the root of the running computer.
func (e *Enrolment) isLive() bool { return e.Folder == "" && filepath.Clean(e.Root) == "/" }

// file returns the path of a machine's machine.yaml.
func (e *Enrolment) file(id policy.MachineID) string {
	if e.Folder != "" {
		return filepath.Join(e.Folder, string(id)+".yaml")
	}
	return e.path(filepath.Join(e.Dir, string(id)+".yaml"))
}

// Run joins the machine to the site. Run makes all checks that are possible on this computer before it uses the
// one-time code.
func (e *Enrolment) Run(ctx context.Context) error {
	code, err := wire.ParseJoinCode(e.Code)
	if err != nil {
		return err
	}
	address, err := hublink.Address(e.Address)
	if err != nil {
		return err
	}
	j, err := hublink.Begin(ctx, e.Dial, address, code)
	if err != nil {
		return err
	}
	defer j.Close()
	if j.Code.Replace != e.Replace {
		if e.Replace {
			return fmt.Errorf("the code is for a new machine %s, not for one that is replaced: leave --replace out, "+
				"or make a code for a replacement at the hub", j.Code.Machine)
		}
		return fmt.Errorf("the code replaces the machine %s: add --replace. "+
			"The machine's tags, hours and practice come back from the hub", j.Code.Machine)
	}
	m, err := e.prepare(j, address)
	if err != nil {
		return err
	}
	e.say("Machine %s du lieu %s : le hub est bien celui du code.",
		"Machine %s of the site %s: the hub is the one that made the code.",
		j.Code.Machine, j.Code.Site)
	answer, err := j.Join(ctx, m.signer, m.public, m.tlsKey, e.Program)
	if err != nil {
		return err
	}
	if err := e.storeAnswer(m, j, answer); err != nil {
		return err
	}
	e.say("Clés, certificat et compte : en place. Fichier : %s",
		"Keys, certificate and account are in place. File: %s", m.file)
	if err := e.fetchBundle(ctx, m); err != nil {
		e.say("Le paquet d’accès n’est pas encore là (%v) : le démon le prendra au hub.",
			"The bundle is not here yet (%v): the daemon takes it from the hub.", err)
	}
	return e.start(ctx, m)
}

// machine contains the files that are created on this computer for a machine that joins.
type machine struct {
	config daemoncmd.Config
	file   string // path of the machine.yaml
	text   string
	signer note.Signer
	public string
	tlsKey []byte
}

// prepare creates the machine.yaml and the keys in memory. The method storeAnswer writes them to the disk.
func (e *Enrolment) prepare(j *hublink.Joining, address string) (*machine, error) {
	m := &machine{file: e.file(j.Code.Machine)}
	wiring, err := e.wiring(m.file)
	if err != nil {
		return nil, err
	}
	_, port, err := brokerOf(j.Identity)
	if err != nil {
		return nil, err
	}
	a := setup.Answers{Machine: string(j.Code.Machine), Site: string(j.Code.Site), BundleKey: j.Identity.PolicyKey}
	if err := a.Check(); err != nil {
		return nil, fmt.Errorf("hub's answer contains an invalid id or key: %w", err)
	}
	m.text = a.Enrolled(wiring, setup.HubAnswers{Address: address, Name: j.Identity.Name, BrokerPort: port,
		HubKey: j.Identity.HubKey, Beside: e.Folder != ""})
	if m.config, err = e.parse(m); err != nil {
		return nil, fmt.Errorf("machine.yaml with the chosen wiring is invalid: %w", err)
	}
	m.config = e.belowRoot(m.config)
	if err := e.machineKey(m); err != nil {
		return nil, err
	}
	m.tlsKey, err = hublink.NewKey(m.config.HubDir())
	return m, err
}

// parse parses m.text as a machine.yaml.
func (e *Enrolment) parse(m *machine) (daemoncmd.Config, error) {
	if e.Folder == "" {
		return setup.Sound(filepath.Base(m.file), m.text)
	}
	if err := os.MkdirAll(e.Folder, 0o700); err != nil {
		return daemoncmd.Config{}, err
	}
	return setup.SoundIn(e.Folder, filepath.Base(m.file), m.text)
}

// brokerOf returns the host and the port of the hub's broker. brokerOf rejects a broker that is not on the hub's host
// or does not use TLS.
func brokerOf(id wire.HubIdentity) (host, port string, err error) {
	rest, ok := strings.CutPrefix(id.Broker, "ssl://")
	host, port, cut := strings.Cut(rest, ":")
	if !ok || !cut || host != id.Name {
		return "", "", fmt.Errorf("hub's answer names the broker %.100q, want a broker at ssl://%s:PORT", id.Broker, id.Name)
	}
	return host, port, nil
}

// wiring returns the text of a machine.yaml that contains the machine's wiring.
func (e *Enrolment) wiring(file string) (string, error) {
	path := e.Wiring
	switch {
	case path == "":
		path = file
	case !strings.ContainsAny(path, "/."):
		path = e.path(filepath.Join("usr/share/portillon", path+".yaml"))
	}
	b, err := setup.ReadSmall(path)
	if errors.Is(err, fs.ErrNotExist) && e.Wiring == "" && e.Folder != "" {
		return setup.Simulated, nil
	}
	if errors.Is(err, fs.ErrNotExist) && e.Wiring == "" {
		return "", fmt.Errorf("the machine's wiring is unknown: --wiring NAME or --wiring FILE; %s; to try a machine "+
			"without hardware: --folder DIR", daemoncmd.Samples())
	}
	return string(b), err
}

// belowRoot returns the configuration with all paths below Root.
func (e *Enrolment) belowRoot(c daemoncmd.Config) daemoncmd.Config {
	for _, p := range []*string{&c.Data, &c.Control} {
		if e.Folder == "" && !e.isLive() && !strings.HasPrefix(*p, filepath.Clean(e.Root)+"/") {
			*p = e.path(*p)
		}
	}
	return c
}

// machineKey creates the machine's key, or uses an existing key, because a machine that is enrolled again continues its
// journal.
func (e *Enrolment) machineKey(m *machine) error {
	path, err := m.config.KeyFile(e.store(), m.config.MachineKey)
	if err != nil {
		return err
	}
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		name, err := keykind.Name(keykind.Machine, m.config.Machine+"."+m.config.Site)
		if err != nil {
			return err
		}
		private, _, err := note.GenerateKey(rand.Reader, name)
		if err != nil {
			return err
		}
		if err := writeSecret(path, private); err != nil {
			return err
		}
	}
	m.signer, m.public, err = m.config.Signer(e.store())
	if err != nil {
		return err
	}
	if kind, _ := keykind.KindOf(keykind.NameOf(m.public)); kind != keykind.Machine {
		return fmt.Errorf("file %s is an older key with the name %q, move the file away so that a new key is created",
			path, keykind.NameOf(m.public))
	}
	return nil
}

// writeSecret writes a secret of one line to a file that only the file's owner can read.
func writeSecret(path, text string) error {
	return errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), wire.WriteFile(path, []byte(text+"\n"), 0o600))
}

// storeAnswer stores the hub's answer. The machine.yaml is written last, so that the old machine.yaml stays in force
// until all other files are stored.
func (e *Enrolment) storeAnswer(m *machine, j *hublink.Joining, answer wire.JoinAnswer) error {
	signer := j.CA
	if len(answer.Authority) > 0 {
		var err error
		if signer, err = x509.ParseCertificate(answer.Authority); err != nil {
			return fmt.Errorf("authority of the machine's certificate in the hub's answer is invalid: %w", err)
		}
	}
	if err := hublink.CheckCertificate(answer.Certificate, signer, m.tlsKey); err != nil {
		return err
	}
	if err := e.storeCardKey(m, answer.CardKey); err != nil {
		return err
	}
	password, err := m.config.KeyFile(e.store(), m.config.MQTT.PasswordFile)
	if err != nil {
		return err
	}
	if answer.Username != m.config.Machine || answer.Password == "" || strings.ContainsAny(answer.Password, "\r\n") {
		return errors.New("hub's answer contains no account at the broker, want a name and a password")
	}
	if err := writeSecret(password, answer.Password); err != nil {
		return err
	}
	if err := hublink.WriteLink(m.config.HubDir(), j.CA, answer.Certificate); err != nil {
		return err
	}
	// Remove the card keys that the daemon has received from the hub before, because the key in this answer replaces
	// them.
	if err := os.Remove(filepath.Join(m.config.HubDir(), daemoncmd.CardKeysFile)); err != nil &&
		!errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return e.writeConfig(m)
}

// writeConfig writes the machine.yaml. If a different machine.yaml exists, writeConfig first copies the old one.
func (e *Enrolment) writeConfig(m *machine) error {
	if err := os.MkdirAll(filepath.Dir(m.file), 0o755); err != nil {
		return err
	}
	if was, err := os.ReadFile(m.file); err == nil && string(was) != m.text {
		old := m.file + ".old-" + e.Host.Now().UTC().Format("20060102-150405")
		if err := wire.WriteFile(old, was, 0o644); err != nil {
			return err
		}
		e.say("copie de l’ancien fichier : %s", "copy of the old file: %s", old)
	}
	return wire.WriteFile(m.file, []byte(m.text), 0o644)
}

// storeCardKey stores the site's card key, which all machines on one computer share.
func (e *Enrolment) storeCardKey(m *machine, text string) error {
	if key, err := hex.DecodeString(text); err != nil || len(key) < 16 {
		return errors.New("hub's answer contains no card key, want at least 32 hexadecimal digits")
	}
	path, err := m.config.KeyFile(e.store(), m.config.CardKey)
	if err != nil {
		return err
	}
	if was, err := os.ReadFile(path); err == nil && strings.TrimSpace(string(was)) != text {
		if err := wire.WriteFile(path+".old", was, 0o600); err != nil {
			return err
		}
		e.say("%s contenait une autre clé : copie dans %[1]s.old", "%s held another key: a copy is in %[1]s.old", path)
	}
	return writeSecret(path, text)
}

// fetchBundle fetches the bundle in force, so that the machine's first start needs no network.
func (e *Enrolment) fetchBundle(ctx context.Context, m *machine) error {
	link, err := m.config.HubLinkBy(e.Dial, m.signer, e.Host.Now, func() bool { return false })
	if err != nil {
		return err
	}
	manifest, err := link.Manifest(ctx)
	if err != nil {
		return err
	}
	v, err := note.NewVerifier(m.config.Bundle.Key)
	if err != nil {
		return err
	}
	s := wire.Store{Dir: filepath.Join(m.config.Data, "bundle"), Site: policy.SiteID(m.config.Site),
		Keys: note.VerifierList(v)}
	if now, err := s.Signed(); err == nil && string(now) == string(manifest) {
		return nil
	}
	opened, err := wire.OpenManifest(manifest, s.Keys)
	if err != nil {
		return err
	}
	chunks := wire.Assembler{Store: s, Source: link.Chunks(ctx)}
	_, err = s.Install(manifest, chunks.Fetch(opened), nil)
	return err
}

// setOwner makes the daemon's user the owner of the files.
func (e *Enrolment) setOwner(m *machine) error {
	if !e.isLive() {
		return nil
	}
	var all []string
	for _, dir := range []string{m.config.HubDir(), filepath.Join(m.config.Data, "bundle")} {
		err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
			all = append(all, path)
			return err
		})
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return e.Host.Own(append(all, m.config.Data)...)
}

// patience is the maximum wait for a daemon to start. The wait ends before the start timeout of the daemon's unit,
// which is one minute.
const patience = 70 * time.Second

// start checks the machine.yaml as the unit does, and starts the unit.
func (e *Enrolment) start(ctx context.Context, m *machine) error {
	if err := e.setOwner(m); err != nil {
		return err
	}
	c, err := daemoncmd.ReadConfig(m.file)
	if err != nil {
		return err
	}
	m.config = e.belowRoot(c)
	on := daemoncmd.Here(e.Host.Now())
	on.Unit, on.Credstore = "", e.store()
	found := m.config.Check(on)
	for _, n := range found.Notes() {
		e.say("  ? %s", "  ? %s", n)
	}
	if err := found.Err(); err != nil {
		e.say("Il manque encore :\n%v", "Still missing:\n%v", err)
		return ErrIncomplete
	}
	if e.Folder != "" {
		e.say("Les fichiers sont prêts. Pour démarrer : portillond -config %s",
			"The files are ready. Start the machine with: portillond -config %s", m.file)
		return nil
	}
	if !e.isLive() || e.NoStart {
		e.say("Les fichiers sont prêts.", "The files are ready.")
		return nil
	}
	return e.restart(ctx, m.config)
}

// restart restarts the unit and waits until the daemon answers.
func (e *Enrolment) restart(ctx context.Context, c daemoncmd.Config) error {
	unit := "portillond@" + c.Machine
	if err := e.Host.Systemctl(ctx, "enable", unit); err != nil {
		return err
	}
	if err := e.Host.Systemctl(ctx, "restart", unit); err != nil {
		return err
	}
	for end := e.Host.Now().Add(patience); ; e.Host.Pause(ctx, time.Second) {
		_, err := e.Host.Status(ctx, c.Control)
		switch {
		case err == nil:
			e.say("%s : en marche", "%s: runs", unit)
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case e.Host.Now().After(end):
			return fmt.Errorf("%s does not answer: %w; for the reason, run: journalctl -u %s", unit, err, unit)
		}
	}
}
