package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"portillon/daemon/control"
)

const (
	// patience is how long one operation may take on a busy computer.
	patience = time.Minute
	look     = 50 * time.Millisecond // pause between two attempts
	// again is slightly longer than session.Debounce, the 2 s within which several presentations of a card are one tap.
	again = 2100 * time.Millisecond
)

// world contains the simulated computers of a hub and of a machine, and the programs that run on these computers.
type world struct {
	network // the switch that connects the two computers
	// folders: the hub's computer, the machine's computer, the built programs, and the screenshots
	dir, bin, out string
	hubProgram    *program      // portillon-hub; nil before its first start
	daemon        *program      // portillond; nil before its first start
	offset        time.Duration // how far the hub's clock is ahead of this computer's clock
	boots         int           // how often the machine's computer has booted
	all           []*program    // every program started
}

// newWorld creates the world with number nth in dir: an empty hub, and a machine that is not enrolled.
func newWorld(ctx context.Context, n int, dir, bin, out string) (*world, error) {
	w := &world{dir: dir, bin: bin, out: out}
	for name, text := range map[string]string{
		"hub/.keep": "", "pi/var/lib/.keep": "", "pi/run/.keep": "", "pi/etc/credstore/.keep": "",
		// The file system of the machine has the same users as the Debian package creates.
		"pi/etc/passwd": "root:x:0:0::/root:/bin/sh\nportillon:x:990:990::/nonexistent:/usr/sbin/nologin\n",
		"pi/etc/group":  "root:x:0:\nportillon:x:990:\n",
		"pi/etc/hosts":  "127.0.0.1 localhost\n" + hubAddress + " hub\n",
		"pi/boot_id":    "0\n",
		"pi/root/unit":  unit,
		"pi/root/bench.yaml": "portillon: 1\nsite: x\nmachine: x\ndata: /var/lib/portillon/x\n" +
			"control: /run/portillon.sock\n" +
			"card-key: credential:card-key\nmachine-key: credential:machine-key\n" +
			"bundle: { key: \"portillon-biklab+c260dc51+ARYiNm5YZQpt7c5qwRIEmnUAwwGd0tERIG7mdzSA5fIO\", file: site.bundle }\n" +
			"reader: { kind: none }\nrelay: { pin: \"sim:/run/pin\" }\n",
	} {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
			return w, err
		}
	}
	var err error
	w.network, err = newNetwork(ctx, n)
	return w, errors.Join(err, w.piClock("0s synchronised"))
}

// unit is a shell script that does the work of systemd's unit portillond@laser. The script sets the clock, provides
// the credentials, and starts the daemon.
const unit = `#!/bin/sh
portillond -config /etc/portillon/$1.yaml -set-clock
mkdir -p -m 700 /run/credentials
for k in card-key $1.machine-key $1.mqtt-password; do cp /etc/credstore/portillon.$k /run/credentials/${k#$1.}; done
CREDENTIALS_DIRECTORY=/run/credentials exec portillond -config /etc/portillon/$1.yaml
`

// piClock sets how far the machine's clock is ahead of this computer's clock, and whether a time server confirms the
// machine's clock.
func (w *world) piClock(text string) error {
	return os.WriteFile(filepath.Join(w.dir, "pi/clock"), []byte(text), 0o644)
}

// atHub returns a command that runs as root on the hub's computer.
func (w *world) atHub(ctx context.Context, line string) *exec.Cmd {
	return w.at(ctx, w.hub, "hub", "exec unshare --uts sh -c 'hostname hub && exec \"$@\"' - sh -c \"$LINE\"", line)
}

// atPi returns a command that runs as root on the machine's computer, with that computer's /etc, /var/lib and /run.
func (w *world) atPi(ctx context.Context, line string) *exec.Cmd {
	mounts := ""
	for _, d := range []string{"etc", "var/lib", "run"} {
		mounts += fmt.Sprintf("mount --bind ../%s /%s && ", d, d)
	}
	mounts += "mount --bind ../boot_id /proc/sys/kernel/random/boot_id && "
	return w.at(ctx, w.pi, "pi/root", mounts+"exec sh -c \"$LINE\"", line)
}

// at returns a command that runs in a network namespace and in a folder of the world.
func (w *world) at(ctx context.Context, namespace, folder, begin, line string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "ip", "netns", "exec", namespace, "sh", "-c", begin)
	cmd.Dir = filepath.Join(w.dir, folder)
	cmd.Env = []string{"PATH=" + w.bin + ":/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LANG=en_GB.UTF-8", "TZ=UTC",
		"LINE=" + line,
		"PORTILLON_CLOCK=" + filepath.Join(w.dir, "pi/clock")}
	cmd.WaitDelay = time.Second // a child process of the command may keep its output open after the command has ended
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}

// answer runs a command to its end and returns its standard output. The returned error contains standard output and
// standard error.
func (w *world) answer(ctx context.Context, cmd *exec.Cmd) (string, error) {
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s: %w: %s%s", strings.TrimPrefix(cmd.Env[4], "LINE="), err, out.String(), errs.String())
	}
	return out.String(), nil
}

// program is a running program together with the output that it has written. The program runs until its method end is
// called.
type program struct {
	name string        // for messages
	cmd  *exec.Cmd     // its process
	mu   sync.Mutex    // guards text
	text bytes.Buffer  // both outputs
	done chan struct{} // channel that is closed when the program has ended
}

// Write collects the standard output and the standard error of the program.
func (p *program) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.Write(b)
}

// output returns what the program has written so far to standard output and standard error.
func (p *program) output() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.String()
}

// start starts a program on one of the world's computers.
func (w *world) start(name string, cmd *exec.Cmd) (*program, error) {
	p := &program{name: name, cmd: cmd, done: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = p, p
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	go func() { _ = cmd.Wait(); close(p.done) }() // the program's log shows how it ended
	w.all = append(w.all, p)
	return p, nil
}

// end sends SIGTERM to a program, also if SIGSTOP has stopped it, and waits until it has ended.
func (p *program) end() error {
	if p == nil {
		return nil
	}
	_ = p.cmd.Process.Signal(syscall.SIGCONT)
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // ignore the error, because the program may have ended already
	select {
	case <-p.done:
		return nil
	case <-time.After(patience):
		_ = p.cmd.Process.Kill()
		<-p.done
		return fmt.Errorf("%s did not end within %v", p.name, patience)
	}
}

// lastOutput returns the last 25 lines of each program's output.
func (w *world) lastOutput() string {
	var b strings.Builder
	for _, p := range w.all {
		lines := strings.SplitAfter(p.output(), "\n")
		if n := len(lines) - 25; n > 0 {
			lines = lines[n:]
		}
		fmt.Fprintf(&b, "-- %s:\n%s", p.name, strings.Join(lines, ""))
	}
	return b.String()
}

// close ends all programs of the world and deletes its network.
func (w *world) close() error {
	var errs []error
	for _, p := range w.all {
		errs = append(errs, p.end())
	}
	return errors.Join(append(errs, w.network.close())...)
}

// await calls the function is repeatedly until it returns true, and returns how long that took. await returns an
// error if this takes longer than patience.
func await(ctx context.Context, what string, is func() (bool, error)) (time.Duration, error) {
	began := time.Now()
	for {
		ok, err := is()
		if ok {
			return time.Since(began), err
		}
		if time.Since(began) > patience || ctx.Err() != nil {
			return 0, fmt.Errorf("condition was not met within %v: %s: %v", patience, what, errors.Join(err, ctx.Err()))
		}
		time.Sleep(look)
	}
}

// startHub ends the hub if it is running, and starts it in its folder. If the hub's folder is empty, the hub creates
// all files of a new site.
func (w *world) startHub(ctx context.Context) (err error) {
	if err = w.hubProgram.end(); err != nil {
		return err
	}
	w.hubProgram, err = w.start("portillon-hub", w.atHub(ctx,
		fmt.Sprintf("mkdir -p biklab && cd biklab && exec portillon-hub -clock-offset %v", w.offset)))
	if err != nil {
		return err
	}
	_, err = await(ctx, "a hub that is connected to its broker", func() (bool, error) {
		return strings.Contains(w.hubProgram.output(), "msg=connected"), nil
	})
	return err
}

// boot simulates a restart of the machine's computer: boot sets a new boot id, sets the clock as the unit does, and
// starts the daemon.
func (w *world) boot(ctx context.Context, clock string) (err error) {
	if err = w.daemon.end(); err != nil {
		return err
	}
	w.boots++
	if err = errors.Join(os.WriteFile(filepath.Join(w.dir, "pi/boot_id"), fmt.Appendf(nil, "boot-%d\n", w.boots), 0o644),
		w.piClock(clock)); err != nil {
		return err
	}
	w.daemon, err = w.start("portillond", w.atPi(ctx, "exec sh ./unit laser"))
	if err != nil {
		return err
	}
	_, err = await(ctx, "a daemon that answers", func() (bool, error) { _, err := w.status(ctx); return err == nil, err })
	return err
}

// ask sends a request to the machine's control socket and returns the answer.
func (w *world) ask(ctx context.Context, r control.Request) (control.Reply, error) {
	return control.Call(ctx, filepath.Join(w.dir, "pi/run/portillon.sock"), r)
}

// status returns the status that the machine reports.
func (w *world) status(ctx context.Context) (control.Status, error) {
	r, err := w.ask(ctx, control.Request{Do: "status"})
	if err == nil && r.Status == nil {
		err = fmt.Errorf("machine's answer contains no status: %s", r.Error)
	}
	if err != nil {
		return control.Status{}, err
	}
	return *r.Status, nil
}

// waitForStatus waits until the machine's status meets a condition, and returns how long that took.
func (w *world) waitForStatus(ctx context.Context, what string, is func(control.Status) bool) (time.Duration, error) {
	var last control.Status
	took, err := await(ctx, what, func() (bool, error) {
		s, err := w.status(ctx)
		if err == nil {
			last = s
		}
		return err == nil && is(s), err
	})
	if err != nil {
		err = fmt.Errorf("%w; the machine's status is %+v", err, last)
	}
	return took, err
}

// acknowledged reports whether the hub has acknowledged all records that the machine has written.
func acknowledged(s control.Status) bool { return s.Journal > 0 && s.Acked == s.Journal && s.Hub }

// session presents Léa's card to start a session, and presents the card again to end the session. session returns the
// time from the first tap until the relay was on.
func (w *world) session(ctx context.Context) (time.Duration, error) {
	began := time.Now()
	if r, err := w.ask(ctx, control.Request{Do: "tap", Card: leasCard}); err != nil || !r.OK {
		return 0, fmt.Errorf("machine refused Léa's card, want a session: %+v, %v", r, err)
	}
	if _, err := w.waitForStatus(ctx, "the relay on", func(s control.Status) bool {
		return s.Relay &&
			s.Session != ""
	}); err != nil {
		return 0, err
	}
	took := time.Since(began)
	time.Sleep(again)
	if _, err := w.ask(ctx, control.Request{Do: "tap", Card: leasCard}); err != nil {
		return 0, err
	}
	_, err := w.waitForStatus(ctx, "the relay off", func(s control.Status) bool { return !s.Relay && s.Session == "" })
	return took, err
}

// leasCard is the number of Léa's card. atAPI contains the flags of each command that talks to the hub. makeSite is
// the script that sets up a site.
const (
	leasCard = "04A124B2115E80"
	atAPI    = "--hub http://localhost:8040 --token-file token "
	// makeSite sets up a site with one member, Léa, who may use the laser through her badge.
	makeSite = `set -e
echo 'an invented passphrase' | portillon hub token olivia@lab.example -o token \
  --owner-code-file biklab/data/owner-code --hub http://localhost:8040
did=$(portillon badge keygen -o issuer.key)
cat > policy.yaml <<END
portillon: 1
site: biklab
language: fr
timezone: Europe/Paris
issuers: { biklab: { name: Le lab, keys: ["$did"] } }
badges: { laser-user: { name: Découpe laser, issuer: biklab, achievement: "https://lab.example/laser-user" } }
roles: [learner, user, host, mentor, maintainer]
machines: { laser: { name: Découpe laser, grants: [{ role: user, needs: laser-user, session: { max: 2h } }] } }
END
portillon policy publish policy.yaml --of 1 --comment first $API
portillon member add 'Léa Martin' emails=lea@lab.example --id m-lea $API
portillon card assign m-lea --number ` + leasCard + ` $API
portillon badge issue --key issuer.key --policy policy.yaml --badge laser-user \
  --recipient lea@lab.example --criteria c --no-status -o lea.json
portillon badge add lea.json $API
portillon machine add laser $API
`
)

// setUpSite starts a hub and runs the script that sets up its site with one member.
func (w *world) setUpSite(ctx context.Context) error {
	if err := w.startHub(ctx); err != nil {
		return err
	}
	_, err := w.answer(ctx, w.atHub(ctx, "API='"+atAPI+"'\n"+makeSite))
	return err
}

// enrol enrols the machine with a new enrolment code.
func (w *world) enrol(ctx context.Context) error {
	said, err := w.answer(ctx, w.atHub(ctx, "portillon machine code laser --lang en "+atAPI))
	if err != nil {
		return err
	}
	_, code, ok := strings.Cut(said, "sudo ")
	if code, _, _ = strings.Cut(code, "\n"); !ok {
		return fmt.Errorf("portillon machine code printed no enrol command: %s", said)
	}
	_, err = w.answer(ctx, w.atPi(ctx, code+" --wiring ./bench.yaml --no-start"))
	return err
}

// setUpWorkingMachine prepares a machine in operation: the machine has received its bundle, and the hub has received
// the machine's records.
func (w *world) setUpWorkingMachine(ctx context.Context) error {
	if err := errors.Join(w.setUpSite(ctx), w.enrol(ctx), w.boot(ctx, "0s synchronised")); err != nil {
		return err
	}
	_, err := w.waitForStatus(ctx, "a bundle, and all records acknowledged",
		func(s control.Status) bool { return s.Bundle > 0 && acknowledged(s) })
	return err
}
