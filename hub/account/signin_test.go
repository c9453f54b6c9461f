package account_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"portillon/hub/account"
	"portillon/hub/actor"
)

func TestCodeOfTheFirstOwnerWorksOnceAndItsFileIsRemoved(t *testing.T) {
	b := open(t)
	code, made, err := b.Ownership.FirstOwner()
	if err != nil || !made || len(strings.ReplaceAll(code, "-", "")) < 12 {
		t.Fatal(code, made, err)
	}
	path := filepath.Join(b.o.Folder, "owner-code")
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatal(info, err)
	}
	b.restart()
	if again, made, err := b.Ownership.FirstOwner(); err != nil || made || again != code {
		t.Fatal("a second start gives another code", again, made, err)
	}
	if _, err := b.Ownership.Redeem(t.Context(), "00000-00000-00000", "ines", good); !errors.Is(err, account.ErrCode) {
		t.Errorf("a wrong code: %v", err)
	}
	if _, err := b.Ownership.Redeem(t.Context(), code, "ines", "short"); !invalid(err) {
		t.Errorf("a short password: %v", err)
	}
	w := b.browser()
	typed := strings.ToLower(strings.ReplaceAll(code, "-", " "))
	if err := w.do("POST", func(ctx context.Context) error {
		_, err := b.Ownership.Redeem(ctx, typed, "ines",
			good)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if a := w.get(); a.Site != actor.Owner || a.Name != "ines" {
		t.Errorf("signed in as %+v", a)
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the file is still there: %v", err)
	}
	if _, err := b.Ownership.Redeem(t.Context(), code, "karim", good); !errors.Is(err, account.ErrCode) {
		t.Errorf("the code works twice: %v", err)
	}
	if code, made, err := b.Ownership.FirstOwner(); code != "" || made || err != nil {
		t.Error("a hub with an owner gives a code", code, made, err)
	}
	b.verifyAudit()
}

func TestParallelUseOfTheOwnersCodeCreatesOneOwner(t *testing.T) {
	b := open(t)
	code, _, err := b.Ownership.FirstOwner()
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for n := range 8 {
		wg.Go(func() { _, _ = b.Ownership.Redeem(t.Context(), code, fmt.Sprintf("owner%d", n), good) })
	}
	wg.Wait()
	if n := b.count(`SELECT count(*) FROM account WHERE site = $1`); n != 1 {
		t.Errorf("%d owners, want 1", n)
	}
}

// The test compares the number and parameters of the hashes, because comparing times would be unreliable.
func TestUnknownAccountCostsTheSameWorkAsAWrongPassword(t *testing.T) {
	b := open(t)
	x := b.owner()
	b.add(account.Account{Name: "off", Site: actor.Administrator})
	b.add(account.Account{Name: "disabled", Member: "m-lea", Site: actor.Member, Disabled: false})
	karim := account.Account{Name: "mail only", Member: "m-karim", Site: actor.Member}
	if _, err := b.Registry.Add(t.Context(), root, karim,
		""); err != nil {
		t.Fatal(err)
	}
	d := b.find("disabled")
	if _, err := b.Registry.Disable(t.Context(), root, d.ID, d.Version, true); err != nil {
		t.Fatal(err)
	}
	_ = x
	var work []account.Argon
	b.CountHashes(func(p account.Argon) { work = append(work, p) })
	for _, c := range []struct{ name, password string }{
		{"owner", "wrong wrong wrong"}, {"nobody", good}, {"mail only", good}, {"disabled", good}, {"", ""}, {"owner", ""},
	} {
		work = nil
		_, err := b.Passwords.SignIn(t.Context(), c.name, c.password, "192.0.2.7")
		if !errors.Is(err, account.ErrWrong) || len(work) != 1 || work[0] != quickHash {
			t.Errorf("%q: %v, work %v", c.name, err, work)
		}
	}
}

func (b *bench) find(name string) account.Account {
	b.t.Helper()
	all, _, err := b.Registry.List(b.t.Context(), root, account.Page{Limit: 500})
	if err != nil {
		b.t.Fatal(err)
	}
	for _, x := range all {
		if x.Name == name {
			return x
		}
	}
	b.t.Fatalf("no account %q", name)
	return account.Account{}
}

func TestPasswordIsHashedAgainWhenParametersChange(t *testing.T) {
	b := open(t)
	b.owner()
	b.o.Hash = account.Argon{MiB: 2, Passes: 2, Lanes: 1}
	b.restart()
	stored := func() (s string) {
		if err := b.site.QueryRow(t.Context(), `SELECT password FROM account WHERE site = $1`).Scan(&s); err != nil {
			t.Fatal(err)
		}
		return s
	}
	if !strings.HasPrefix(stored(), "$argon2id$v=19$m=1024,t=1,p=1$") {
		t.Fatal(stored())
	}
	for range 2 {
		if _, err := b.Passwords.SignIn(t.Context(), "OWNER ", good, ""); err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(stored(), "$argon2id$v=19$m=2048,t=2,p=1$") {
			t.Fatal(stored())
		}
	}
}

func TestSignInIsRefusedWithoutHashingIfTheQueueIsFull(t *testing.T) {
	b := open(t)
	b.owner()
	hashes := 0
	b.CountHashes(func(account.Argon) { hashes++ })
	free := b.FillQueue()
	var busy *account.Busy
	if _, err := b.Passwords.SignIn(t.Context(), "owner", good, ""); !errors.As(err, &busy) || hashes != 0 {
		t.Errorf("%v after %d hashes", err, hashes)
	}
	free()
	if _, err := b.Passwords.SignIn(t.Context(), "owner", good, ""); err != nil {
		t.Error(err)
	}
}

func TestAtMostTwoPasswordsAreHashedAtATime(t *testing.T) {
	b := open(t)
	b.owner()
	var mu sync.Mutex
	running, most := 0, 0
	entered := make(chan struct{}, 100)
	b.CountHashes(func(account.Argon) {
		mu.Lock()
		running++
		most = max(most, running)
		mu.Unlock()
		entered <- struct{}{}
		mu.Lock()
		running--
		mu.Unlock()
	})
	var wg sync.WaitGroup
	for n := range 12 {
		wg.Go(func() { _, _ = b.Passwords.SignIn(t.Context(), fmt.Sprintf("n%d", n), good, "") })
	}
	wg.Wait()
	if most > account.Hashing || len(entered) != 12 {
		t.Errorf("%d at a time, %d in all", most, len(entered))
	}
}

func TestParallelGuessesAreAllCounted(t *testing.T) {
	b := open(t)
	b.owner()
	var wg sync.WaitGroup
	var mu sync.Mutex
	hashes := 0
	b.CountHashes(func(account.Argon) { mu.Lock(); hashes++; mu.Unlock() })
	for n := range 40 {
		wg.Go(func() {
			_, _ = b.Passwords.SignIn(t.Context(), "owner", "wrong wrong wrong", fmt.Sprintf("198.51.100.%d", n))
		})
	}
	wg.Wait()
	for n := range 20 { // Use the attempts that were refunded because the queue was full.
		_, _ = b.Passwords.SignIn(t.Context(), "owner", "wrong wrong wrong", fmt.Sprintf("203.0.113.%d", n))
	}
	if hashes != 10 {
		t.Errorf("%d passwords were tried, want 10", hashes)
	}
}

func TestRateLimitSurvivesARestartAndExpires(t *testing.T) {
	b := open(t)
	b.owner()
	try := func(password string) error {
		_, err := b.Passwords.SignIn(t.Context(), "owner", password, "192.0.2.9")
		return err
	}
	for range 10 {
		if err := try("wrong wrong wrong"); !errors.Is(err, account.ErrWrong) {
			t.Fatal(err)
		}
	}
	b.restart()
	if err := try(good); !throttled(err) {
		t.Fatalf("after a restart: %v", err)
	}
	b.pass(time.Minute)
	if err := try(good); err != nil {
		t.Fatalf("a minute later: %v", err)
	}
	for range 100 { // The wait is at most a minute, also after 100 further attempts.
		if err := try("wrong wrong wrong"); err == nil {
			t.Fatal("a wrong password is right")
		}
	}
	var full *account.Throttled
	if err := try(good); !errors.As(err, &full) || full.Wait > time.Minute {
		t.Fatalf("wait after 100 wrong passwords: %v", err)
	}
	b.pass(-24 * time.Hour) // Set the clock back by a day. The wait is still at most a minute.
	if err := try(good); errors.As(err, &full) && full.Wait > time.Minute {
		t.Fatalf("clock set back: %v", err)
	}
}

func TestGuessesFromOtherAddressesDoNotLockOutTheOwner(t *testing.T) {
	b := open(t)
	b.owner()
	if _, err := b.Passwords.SignIn(t.Context(), "owner", good, "192.0.2.1"); err != nil {
		t.Fatal(err)
	}
	for n := range 30 {
		_, _ = b.Passwords.SignIn(t.Context(), "owner", "wrong wrong wrong", fmt.Sprintf("198.51.100.%d", n))
	}
	if _, err := b.Passwords.SignIn(t.Context(), "owner", good, "198.51.100.99"); !throttled(err) {
		t.Errorf("from a new address: %v", err)
	}
	if _, err := b.Passwords.SignIn(t.Context(), "owner", good, "192.0.2.1"); err != nil {
		t.Errorf("from the owner's address: %v", err)
	}
}

func TestSignInsAreLimitedPerAddress(t *testing.T) {
	b := open(t)
	tried := 0
	for n := range 60 {
		// a provider assigns one 64-bit network to a customer; all these addresses are in one such network
		address := fmt.Sprintf("2001:db8:1:2::%x", n)
		if _, err := b.Passwords.SignIn(t.Context(), fmt.Sprintf("name%d", n), good, address); errors.Is(
			err,
			account.ErrWrong,
		) {
			tried++
		}
	}
	if tried != 30 {
		t.Errorf("%d names were tried, want 30", tried)
	}
	if _, err := b.Passwords.SignIn(t.Context(), "x", good, "2001:db8:1:3::1"); !errors.Is(err, account.ErrWrong) {
		t.Errorf("another network: %v", err)
	}
}

func TestNumberOfRateLimitRowsIsBounded(t *testing.T) {
	if testing.Short() {
		t.Skip("short: hashes passwords")
	}
	b := open(t)
	b.KeepLimits(500)
	err := b.fill(1000)
	if err != nil {
		t.Fatal(err)
	}
	for n := range 70 {
		_, _ = b.Passwords.SignIn(t.Context(), fmt.Sprintf("n%d", n), good, fmt.Sprintf("10.0.%d.1", n))
	}
	if n := b.count(`SELECT count(*) FROM account_throttle WHERE site = $1`); n > 500+200 {
		t.Errorf("%d rows", n)
	}
	b.pass(24 * time.Hour)
	for n := range 70 {
		_, _ = b.Passwords.SignIn(t.Context(), fmt.Sprintf("n%d", n), good, fmt.Sprintf("10.0.%d.1", n))
	}
	if n := b.count(`SELECT count(*) FROM account_throttle WHERE site = $1`); n > 200 {
		t.Errorf("%d rows a day later", n)
	}
}

func TestGuessablePasswordsAreRefused(t *testing.T) {
	for _, c := range []struct {
		password string
		ok       bool
	}{
		{"four random words", true}, {"Éléphant-vert-7", true}, {"kX9$mQ2!vB7z", true}, {"une phrase que personne ne devine",
			true},
		{"short", false}, {"aaaaaaaaaaaa", false}, {"1234567890", false}, {"Motdepasse2024!", false}, {"P@ssw0rd2026!!",
			false},
		{"azertyuiop", false}, {"passwordpassword", false}, {"ines@biklab.example1", false}, {"ines12345678",
			false}, {"password  12", false}, {"princesse2024!", false}, {"administrateur12", false},
		{"\xff\xfe\xfd\xfc\xfb\xfa\xf9\xf8\xf7\xf6\xf5", false}, {strings.Repeat("xyz ", 100), false}, {"20240101-20240101",
			false},
	} {
		if got := account.CheckPassword(c.password, "ines@biklab.example") == nil; got != c.ok {
			t.Errorf("%q: accepted %v, want %v", c.password, got, c.ok)
		}
	}
}

func TestPasswordIsComparedInNFKC(t *testing.T) {
	b := open(t)
	if _, err := b.Registry.Add(t.Context(), root, account.Account{Name: "Inès", Site: actor.Owner},
		"éléphant vert sept"); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Passwords.SignIn(t.Context(), "INE\u0300S", "e\u0301le\u0301phant vert sept", ""); err != nil {
		t.Error(err)
	}
}

func TestParametersOfStoredHashesAreBounded(t *testing.T) {
	salt, hash := strings.Repeat("A", 22), strings.Repeat("A", 43)
	if _, err := account.ParseHash("$argon2id$v=19$m=19456,t=2,p=1$" + salt + "$" + hash); err != nil {
		t.Error(err)
	}
	for _, s := range []string{"", "x", "$argon2i$v=19$m=19456,t=2,p=1$" + salt + "$" + hash,
		"$argon2id$v=19$m=1048576,t=2,p=1$" + salt + "$" + hash,
		"$argon2id$v=19$m=19456,t=4294967295,p=1$" + salt + "$" + hash,
		"$argon2id$v=19$m=19456,t=2,p=255$" + salt + "$" + hash,
		"$argon2id$v=19$m=0,t=0,p=0$" + salt + "$" + hash,
		"$argon2id$v=19$m=19456,t=2,p=1$$", "$argon2id$v=19$m=19456,t=2$" + salt + "$" + hash} {
		if _, err := account.ParseHash(s); err == nil {
			t.Errorf("%q is accepted", s)
		}
	}
}

func FuzzParseHash(f *testing.F) {
	f.Add("$argon2id$v=19$m=19456,t=2,p=1$" + strings.Repeat("A", 22) + "$" + strings.Repeat("A", 43))
	f.Fuzz(func(t *testing.T, s string) {
		if again, err := account.ParseHash(s); err == nil && again != s {
			t.Errorf("%q became %q", s, again)
		}
	})
}

func TestRecoverRequiresTheLocalActor(t *testing.T) {
	b := open(t)
	x := b.owner()
	o := actor.Actor{Account: x.ID, Site: actor.Owner}
	if _, err := b.Recovery.Recover(t.Context(), o, "owner"); !denied(err) {
		t.Errorf("an owner over the network: %v", err)
	}
	if _, err := b.Recovery.Recover(t.Context(), root, "nobody"); !missing(err) {
		t.Errorf("an unknown name: %v", err)
	}
	w := b.browser()
	if err := w.signIn("owner", good); err != nil {
		t.Fatal(err)
	}
	code, err := b.Recovery.Recover(t.Context(), root, "Owner")
	if err != nil {
		t.Fatal(err)
	}
	if w.get().Account != "" {
		t.Error("the session goes on after a reset")
	}
	if _, err := b.Recovery.ResetPassword(t.Context(), code, "short"); !invalid(err) {
		t.Error(err)
	}
	again := b.browser()
	use := func(ctx context.Context) error {
		_, err := b.Recovery.ResetPassword(ctx, code, "another random text")
		return err
	}
	if err := again.do("POST", use); err != nil {
		t.Fatal(err)
	}
	if again.get().Account != x.ID {
		t.Error("not signed in after the reset")
	}
	if err := again.do("POST", use); !errors.Is(err, account.ErrCode) {
		t.Errorf("the code works twice: %v", err)
	}
	if _, err := b.Passwords.SignIn(t.Context(), "owner", good, ""); !errors.Is(err, account.ErrWrong) {
		t.Errorf("the old password: %v", err)
	}
	if _, err := b.Passwords.SignIn(t.Context(), "owner", "another random text", ""); err != nil {
		t.Error(err)
	}
	b.verifyAudit()
}

func TestResetCodeExpires(t *testing.T) {
	b := open(t)
	x := b.owner()
	code, err := b.Recovery.ResetCode(t.Context(), root, x.ID)
	if err != nil {
		t.Fatal(err)
	}
	b.pass(61 * time.Minute)
	if _, err := b.Recovery.ResetPassword(t.Context(), code, "another random text"); !errors.Is(err, account.ErrCode) {
		t.Error(err)
	}
}

func TestGuessedCodesAreThrottled(t *testing.T) {
	b := open(t)
	x := b.owner()
	code, err := b.Recovery.ResetCode(t.Context(), root, x.ID)
	if err != nil {
		t.Fatal(err)
	}
	w := b.browser()
	tries := []func(ctx context.Context, code string) error{
		func(ctx context.Context, code string) error { _, err := b.PrintedCodes.UseCode(ctx, code); return err },
		func(ctx context.Context, code string) error {
			_, err := b.Recovery.ResetPassword(ctx, code, "another random text")
			return err
		},
		func(ctx context.Context, code string) error {
			_, err := b.Ownership.Redeem(ctx, code, "x", good)
			return err
		},
		func(ctx context.Context, code string) error { _, err := b.Links.UseLink(ctx, code, ""); return err },
	}
	refused := 0
	for n := range 40 {
		err := w.do("POST", func(ctx context.Context) error { return tries[n%4](ctx, fmt.Sprintf("00000-00000-%05d", n)) })
		if throttled(err) {
			refused++
		} else if !errors.Is(err, account.ErrCode) {
			t.Errorf("guess %d: %v", n, err)
		}
	}
	if refused != 30 {
		t.Errorf("%d of 40 guesses were refused, want 30", refused)
	}
	b.pass(time.Minute)
	if err := w.do("POST", func(ctx context.Context) error { return tries[1](ctx, code) }); err != nil {
		t.Errorf("the right code a minute later: %v", err)
	}
}
