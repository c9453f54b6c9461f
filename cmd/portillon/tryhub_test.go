package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// shell is a terminal in which the test types the commands of the page.
type shell struct {
	t     *testing.T
	dir   string
	in    io.WriteCloser
	lines chan string
	said  []string // all printed lines
	n     int
}

// openShell starts a shell in an empty folder, with the built programs in PATH.
func openShell(t *testing.T) *shell {
	t.Helper()
	if testing.Short() {
		t.Skip("short: starts a hub as the page on trying one says")
	}
	s := &shell{t: t, dir: t.TempDir(), lines: make(chan string, 1000)}
	cmd := exec.Command("sh")
	cmd.Dir, cmd.SysProcAttr = s.dir, ownGroup()
	cmd.Env = append(os.Environ(), "LC_ALL=en_GB.UTF-8") // TestMain has added the programs to PATH
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = write, write
	if s.in, err = cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	write.Close()
	go func() {
		defer close(s.lines) // closed once the shell and its background processes have ended
		for in := bufio.NewScanner(read); in.Scan(); {
			s.lines <- in.Text()
		}
	}()
	t.Cleanup(func() {
		s.in.Close()
		err := syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) // the shell and its background processes
		s.wait(func(string) bool { return false })
		err = errors.Join(err, cmd.Wait())
		if t.Failed() {
			for _, log := range []string{"biklab.log", "laser.log"} {
				b, _ := os.ReadFile(filepath.Join(s.dir, log))
				t.Logf("%s:\n%s", log, b)
			}
			t.Log(strings.Join(s.said, "\n"), "\n", err)
		}
	})
	return s
}

// wait reads the shell's output until the function named is returns true for a line. If the output ends before is
// accepts a line, wait returns false.
func (s *shell) wait(is func(string) bool) bool {
	late := time.NewTimer(enrolDeadline)
	defer late.Stop()
	for {
		select {
		case line, open := <-s.lines:
			if !open {
				return false
			}
			s.said = append(s.said, line)
			if is(line) {
				return true
			}
		case <-late.C:
			s.t.Errorf("nothing more is printed within %v", enrolDeadline)
			return false
		}
	}
}

// run runs commands, and returns their output and the exit code of the last one.
func (s *shell) run(commands string) (out string, code string) {
	s.t.Helper()
	s.n++
	from, mark := len(s.said), fmt.Sprintf("@@%d ", s.n)
	fmt.Fprintf(s.in, "%s\necho \"%s$?\"\n", commands, mark)
	if !s.wait(func(line string) bool { return strings.HasPrefix(line, mark) }) {
		s.t.Fatalf("the shell ended in: %s", commands)
	}
	last := len(s.said) - 1
	return strings.Join(s.said[from:last], "\n"), strings.TrimPrefix(s.said[last], mark)
}

// waitForLine waits until a line matches the pattern; it also searches the lines that were printed before the call.
func (s *shell) waitForLine(pattern string) []string {
	s.t.Helper()
	re := regexp.MustCompile(pattern)
	for _, line := range s.said {
		if m := re.FindStringSubmatch(line); m != nil {
			return m
		}
	}
	var m []string
	if !s.wait(func(line string) bool { m = re.FindStringSubmatch(line); return m != nil }) {
		s.t.Fatalf("no line says %s", pattern)
	}
	return m
}

// pages simulates a browser that reads the hub's pages and submits their forms.
type pages struct {
	t    *testing.T
	c    *http.Client
	base string
}

func (p *pages) ask(method, path, kind string, body io.Reader) string {
	p.t.Helper()
	r, err := http.NewRequestWithContext(p.t.Context(), method, p.base+path, body)
	if err != nil {
		p.t.Fatal(err)
	}
	r.Header.Set("Content-Type", kind)
	r.Header.Set("Accept-Language", "en")
	res, err := p.c.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		p.t.Fatalf("%s %s: %s %v\n%.2000s", method, path, res.Status, err, b)
	}
	return string(b)
}

func (p *pages) get(path string) string { p.t.Helper(); return p.ask("GET", path, "", nil) }

func (p *pages) post(path string, fields ...string) string {
	p.t.Helper()
	v := url.Values{}
	for i := 0; i < len(fields); i += 2 {
		v.Set(fields[i], fields[i+1])
	}
	return p.ask("POST", path, "application/x-www-form-urlencoded", strings.NewReader(v.Encode()))
}

func (p *pages) upload(path, file string) string {
	p.t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		p.t.Fatal(err)
	}
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	part, err := w.CreateFormFile("file", filepath.Base(file))
	if err == nil {
		_, err = part.Write(data)
	}
	if err != nil {
		p.t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		p.t.Fatal(err)
	}
	return p.ask("POST", path, w.FormDataContentType(), &b)
}

// find returns the part of a page that matches the first group of a pattern.
func (p *pages) find(page, pattern string) string {
	p.t.Helper()
	m := regexp.MustCompile(pattern).FindStringSubmatch(page)
	if m == nil {
		p.t.Fatalf("no %s in the page:\n%.3000s", pattern, page)
	}
	return m[1]
}

// work performs the browser steps of docs/try-hub.md, from the owner's code to the machine's code.
func (p *pages) work(dir, ownerCode string) (machineCode string) {
	p.t.Helper()
	p.post("/code/owner", "code", ownerCode, "name", "ada@lab.example", "password", "a long and odd password")
	preview := p.upload("/members/import", filepath.Join(dir, "members.csv"))
	p.post("/members/import/apply", "preview", p.find(preview, `name="preview" value="([^"]+)"`))
	policy, err := os.ReadFile(filepath.Join(dir, "policy.yaml"))
	if err != nil {
		p.t.Fatal(err)
	}
	of := p.find(p.get("/policy"), `name="of" value="(\d+)"`)
	checked := p.post("/policy/check", "of", of, "text", string(policy))
	if !strings.Contains(checked, "This text can be published") {
		p.t.Errorf("the check of policy.yaml says:\n%s", checked)
	}
	p.post("/policy/publish", "of", of, "text", string(policy), "comment", "the laser")
	lea := p.find(p.get("/members?q=L%C3%A9a"), `href="(/members/m-[^"]+)"`)
	if member := p.upload(lea+"/badges", filepath.Join(dir, "lea.json")); !strings.Contains(member, "Laser cutter") ||
		!strings.Contains(member, `<span class="state on">valid`) {
		p.t.Errorf("Léa's badge:\n%s", member)
	}
	p.post("/machines", "id", "laser")
	return p.find(p.post("/machines/laser/code"), `portillond enrol (https://\S+ [0-9A-Z-]+)`)
}

// waitForBadge waits until the bundle in force contains Léa's badge. A person is slower than the hub, so the page does
// not mention this wait.
func (p *pages) waitForBadge() {
	p.t.Helper()
	eventually(p.t, "the bundle with Léa's badge", func() bool {
		var b struct{ Changed []string }
		if err := json.Unmarshal([]byte(p.get("/api/v1/bundle")), &b); err != nil {
			p.t.Fatal(err)
		}
		return strings.Contains(strings.Join(b.Changed, " "), "badges/")
	})
}

// blocks returns the commands of a page.
func blocks(t *testing.T, path string) (out []string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile("(?ms)^```\n(.*?)^```$").FindAllSubmatch(b, -1) {
		out = append(out, string(m[1]))
	}
	return out
}

// The test runs the commands of docs/try-hub.md from the first to the last, on free ports instead of the usual ones.
// The commands create a new hub, and a policy, members and a badge on the hub's pages. A machine joins the hub, and
// then starts a session for each member whom the policy allows.
func TestCommandsOfTheTryHubPageWork(t *testing.T) {
	all := blocks(t, "../../docs/try-hub.md")
	if len(all) != 5 {
		t.Fatalf("the page has %d blocks of commands, want 5", len(all))
	}
	commands := 0
	for _, block := range all {
		text := regexp.MustCompile(`(?ms)<<END\n.*?^END$`).ReplaceAllString(block, "")
		commands += strings.Count(strings.TrimSpace(text), "\n") + 1
	}
	if commands > 12 {
		t.Errorf("the page has %d commands, want at most 12", commands)
	}
	edit := func(block, old, with string) string {
		if !strings.Contains(block, old) {
			t.Fatalf("the page has no %q in:\n%s", old, block)
		}
		return strings.Replace(block, old, with, 1)
	}
	s := openShell(t)
	s.run(edit(all[0], "portillon-hub ", "portillon-hub -web 127.0.0.1:0 -machines 127.0.0.1:0 -mqtt 127.0.0.1:0 "))
	owner := s.waitForLine(`(http://\S+)/code/owner\?code=(\S+)`)
	for _, block := range all[1:3] {
		if out, code := s.run(block); code != "0" {
			t.Fatalf("%s: exit code %s\n%s", block, code, out)
		}
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	p := &pages{t, &http.Client{Jar: jar}, owner[1]}
	at, code, _ := strings.Cut(p.work(s.dir, owner[2]), " ")
	p.waitForBadge()

	_, port, _ := strings.Cut(strings.TrimPrefix(at, "https://"), ":")
	enrolment := edit(edit(all[3], "https://localhost:8443", "https://localhost:"+port), "CODE", code)
	s.run(edit(enrolment, "portillond -config",
		"echo 'panel: { listen: 127.0.0.1:0 }' >> laser/laser.yaml\nportillond -config"))
	s.waitForLine(`^ready panel=`)
	taps, status := s.run(all[4])
	lines := strings.Split(taps, "\n")
	if status != "0" || len(lines) != 3 || !strings.Contains(lines[0], "Laser cutter") ||
		!strings.Contains(lines[1], "Hello Léa") || !strings.HasPrefix(lines[2], "1") {
		t.Errorf("exit code %s:\n%s", status, taps)
	}
	eventually(t, "Léa on the page Today", func() bool {
		return strings.Contains(p.get("/today"), "Léa Martin")
	})
}
