package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/mod/sumdb/note"

	"portillon/hub"
	"portillon/hub/broker"
	"portillon/policy"
)

// laser is the machine whose account the attacker uses.
const laser policy.MachineID = "laser"

// victims are the machines that work while the attacker attacks.
var victims = []policy.MachineID{"vinyl", "press"}

// site is a site with three machines: a hub.yaml, and a key and a password for each machine.
type site struct {
	// folder of the site, address of the broker, and address of the hub's web pages
	dir, addr, http string
	kind            string                      // inside or mosquitto
	keys            map[policy.MachineID]string // private key of each machine
	hubKey          note.Verifier               // verifies acknowledgements
	broker          *process                    // the mosquitto process; nil: the site uses the hub's own broker
}

// password returns the broker password of a user.
func password(user string) string { return "secret-of-" + user }

// newSite creates a site in a temporary folder, for one kind of broker.
func newSite(kind string) (*site, error) {
	dir, err := os.MkdirTemp("", "portillon-broker-")
	if err != nil {
		return nil, err
	}
	s := &site{dir: dir, kind: kind, keys: map[policy.MachineID]string{}}
	if err := s.writeFiles(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return s, nil
}

// writeFiles writes the files of the site: hub.yaml, keys and passwords.
func (s *site) writeFiles() error {
	var err error
	if s.addr, err = freeAddr(); err != nil {
		return err
	}
	if s.http, err = freeAddr(); err != nil {
		return err
	}
	private, public, err := note.GenerateKey(rand.Reader, "hub")
	if err != nil {
		return err
	}
	if s.hubKey, err = note.NewVerifier(public); err != nil {
		return err
	}
	var machines strings.Builder
	files := map[string]string{"hub.key": private, "watcher.password": password("watcher"),
		"hub.password": password("hub")}
	for _, id := range append([]policy.MachineID{laser}, victims...) {
		skey, vkey, err := note.GenerateKey(rand.Reader, "portillon-"+string(id))
		if err != nil {
			return err
		}
		s.keys[id] = skey
		files[string(id)+".password"] = password(string(id))
		if fmt.Fprintf(&machines, "  %s: { key: %q", id, vkey); s.kind == "inside" {
			fmt.Fprintf(&machines, ", password-file: %s.password", id)
		}
		machines.WriteString(" }\n")
	}
	mqtt := fmt.Sprintf("{ listen: %q, watcher: watcher.password }", s.addr)
	if s.kind != "inside" {
		mqtt = fmt.Sprintf("{ broker: %q, username: hub, password-file: hub.password }", "tcp://"+s.addr)
	}
	files["hub.yaml"] = fmt.Sprintf("portillon: 1\nsite: biklab\ndata: data\nkey: hub.key\nmqtt: %s\nhttp: "+
		"%q\nmachines:\n%s",
		mqtt, s.http, machines.String())
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// freeAddr returns a free address of the loopback interface.
func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// close ends the broker and deletes the site's folder.
func (s *site) close() {
	if s.broker != nil {
		s.broker.kill()
	}
	os.RemoveAll(s.dir)
}

// startBroker starts mosquitto with the configuration that portillon hub mosquitto-conf writes. If the site uses the
// hub's own broker, startBroker does nothing.
func (s *site) startBroker() error {
	if s.kind == "inside" {
		return nil
	}
	m := broker.Mosquitto{Site: "biklab", Machines: append([]policy.MachineID{laser}, victims...), Hub: "hub",
		Watcher: "watcher", Listen: s.addr, Dir: s.dir, Data: s.dir}
	conf, err := m.Conf()
	if err != nil {
		return err
	}
	acl, err := m.ACL()
	if err != nil {
		return err
	}
	var passwords strings.Builder
	for _, u := range m.Users() {
		fmt.Fprintf(&passwords, "%s:%s\n", u, password(u))
	}
	if os.Geteuid() == 0 {
		conf += "user root\n" // run mosquitto as root: otherwise it changes to another user, who cannot read the folder
	}
	for name, text := range map[string]string{broker.MosquittoConf: conf + "log_type none\n", broker.MosquittoACL: acl,
		broker.MosquittoPassword: passwords.String()} {
		if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	if out, err := exec.Command("mosquitto_passwd", "-U", filepath.Join(s.dir,
		broker.MosquittoPassword)).CombinedOutput(); err != nil {
		return fmt.Errorf("mosquitto_passwd: %w: %s", err, out)
	}
	program, err := exec.LookPath("mosquitto")
	if err != nil {
		program = "/usr/sbin/mosquitto"
	}
	if s.broker, err = start(exec.Command(program, "-c", filepath.Join(s.dir, broker.MosquittoConf))); err != nil {
		return err
	}
	return waitForListener(context.Background(), s.addr)
}

// waitForListener waits at most 20 s until addr accepts connections.
func waitForListener(ctx context.Context, addr string) error {
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			return c.Close()
		}
		if time.Now().After(end) || ctx.Err() != nil {
			return err
		}
	}
}

// startHub starts this program as the hub, and waits until the hub and the broker accept connections.
func (s *site) startHub(ctx context.Context) (*process, error) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), hubFile+"="+filepath.Join(s.dir, "hub.yaml"))
	p, err := start(cmd)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(waitForListener(ctx, s.http), waitForListener(ctx, s.addr)); err != nil {
		p.kill()
		return nil, fmt.Errorf("hub does not start: %w", err)
	}
	return p, nil
}

// process is a child process of this program.
type process struct {
	cmd  *exec.Cmd // the child
	done bool      // true after the child process has ended
}

// start starts a child process that shares this program's standard error.
func start(cmd *exec.Cmd) (*process, error) {
	cmd.Stderr = os.Stderr
	return &process{cmd: cmd}, cmd.Start()
}

// kill ends the child process with SIGKILL.
func (p *process) kill() { p.end(syscall.SIGKILL) }

// end sends a signal to the child process and waits until the child has ended.
func (p *process) end(s syscall.Signal) {
	if !p.done {
		p.done = true
		p.cmd.Process.Signal(s)
		p.cmd.Wait()
	}
}

// resident returns the resident memory of the process in bytes (VmRSS in proc_pid_status(5)).
func (p *process) resident() (int64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kb, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return kb << 10, err
		}
	}
	return 0, errors.New("file /proc/PID/status of the process has no line VmRSS")
}

// get requests a path from the hub and decodes the JSON response.
func (s *site) get(path string, v any) error {
	r, err := http.Get("http://" + s.http + path)
	if err != nil {
		return err
	}
	defer r.Body.Close()
	return json.NewDecoder(r.Body).Decode(v)
}

// recordsAtHub returns how many records of a machine the hub has stored.
func (s *site) recordsAtHub(id policy.MachineID) (uint64, error) {
	var all []hub.Machine
	if err := s.get("/machines", &all); err != nil {
		return 0, err
	}
	for _, m := range all {
		if m.ID == id {
			return m.Held, nil
		}
	}
	return 0, fmt.Errorf("hub's list of machines does not contain %s", id)
}
