package journal

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

const childEnv = "PORTILLON_TEST_JOURNAL"

// The test binary also acts as the daemon: with this variable in its environment it appends records and prints the
// number of each, until it is killed.
func TestMain(m *testing.M) {
	if path := os.Getenv(childEnv); path != "" {
		fmt.Fprintln(os.Stderr, appendForEver(path))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// childTB implements testing.TB in the child process, in which no test runs.
type childTB struct{ testing.TB }

func (*childTB) Helper()        {}
func (*childTB) Fatal(a ...any) { panic(fmt.Sprint(a...)) }

func appendForEver(path string) error {
	j, err := Open(path, options(&childTB{}))
	if err != nil {
		return err
	}
	for i := 0; ; i++ {
		e := start(i)
		e.Facts = map[string][]byte{
			"last":                         strconv.AppendUint(nil, j.Len()+1, 10),
			"practice/" + fmt.Sprint(i%50): make([]byte, i%900),
		}
		r, err := j.Append(e)
		if err != nil {
			return err
		}
		fmt.Println(r.Seq)
		if i%40 == 39 {
			if err := j.SetCursor("hub", r.Seq); err != nil {
				return err
			}
		}
	}
}

// The test checks after each kill: the journal opens, all acknowledged records are stored, the numbers have no gap, the
// facts are those of the last record, SQLite's integrity check and the tree verify, and the journal accepts the next
// record.
func TestAcknowledgedRecordsSurviveAKillAtAnyMoment(t *testing.T) {
	kills := 25
	if testing.Short() {
		kills = 5
	}
	path := filepath.Join(t.TempDir(), "journal.db")
	r := rand.New(rand.NewPCG(3, 4))
	for k := range kills {
		said := runAndKill(t, path, time.Duration(20+r.IntN(100))*time.Millisecond)
		j, err := Open(path, options(t))
		if err != nil {
			t.Fatalf("kill %d: %v", k, err)
		}
		n := j.Len()
		facts, err := j.Facts("last")
		if v := verified(t, j); err != nil || v.Records != n || n < said || n > 0 && string(facts["last"]) != fmt.Sprint(n) {
			t.Fatalf("kill %d: %d records, %d acknowledged, %d verified, fact %s, %v", k, n, said, v.Records, facts["last"], err)
		}
		if c, err := j.Cursor("hub"); err != nil || c > n {
			t.Fatalf("kill %d: the cursor is at %d of %d: %v", k, c, n, err)
		}
		e := end(k)
		e.Facts = map[string][]byte{"last": fmt.Append(nil, n+1)}
		if rec, err := j.Append(e); err != nil || rec.Seq != n+1 {
			t.Fatalf("kill %d: %+v %v", k, rec, err)
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d kills, %d KiB", kills, info.Size()>>10)
}

// runAndKill runs a daemon on the journal, kills the daemon the given time after its first record, and returns the last
// sequence number that it acknowledged.
func runAndKill(t *testing.T, path string, after time.Duration) (last uint64) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+path)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		n, err := strconv.ParseUint(lines.Text(), 10, 64)
		if err != nil {
			break // the kill truncated the line
		}
		if last == 0 {
			time.AfterFunc(after, func() { _ = cmd.Process.Kill() })
		}
		last = n
	}
	_ = cmd.Wait()
	if last == 0 {
		t.Fatal("the daemon appended nothing")
	}
	return last
}
