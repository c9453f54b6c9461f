package hubd

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/user"
	"path/filepath"
	"time"

	"portillon/hub"
	"portillon/hub/account"
	"portillon/hub/actor"
	"portillon/hub/audit"
	"portillon/hub/fault"
	"portillon/hub/store"
)

// accountVerb runs «portillon-hub account reset NAME», which creates a code with which NAME can set a new password.
// Every user who can read the hub's files may run the command, even while the hub runs.
func accountVerb(ctx context.Context, args []string, out, errs io.Writer) int {
	const usage = "portillon-hub account reset [-config hub.yaml] NAME"
	if len(args) == 0 || args[0] != "reset" {
		return printError(errs, errors.New("account: verb is unknown, want reset"), usage)
	}
	fs := flag.NewFlagSet("portillon-hub account reset", flag.ContinueOnError)
	fs.SetOutput(errs)
	config := fs.String("config", runningConfig(), "the hub's file")
	if err := fs.Parse(args[1:]); errors.Is(err, flag.ErrHelp) {
		return 0
	} else if err != nil {
		return 2
	}
	if fs.NArg() != 1 {
		return printError(errs, fmt.Errorf("account reset: %d names given, want one", fs.NArg()), usage)
	}
	c, err := hub.ReadConfig(*config)
	if err != nil {
		return printError(errs, err, "")
	}
	code, err := resetAccount(ctx, c, fs.Arg(0))
	if missing := (*fault.NotFound)(nil); errors.As(err, &missing) {
		return printError(errs, err,
			"the name that the account signs in with; a hub without an owner prints a code when it starts")
	}
	if err != nil {
		return printError(errs, err, "")
	}
	fmt.Fprintf(out, "%s sets a new password with this code, within an hour, on the page “new password”:\n\n  %s\n\n"+
		"All sessions and API tokens of the account have ended.\n", fs.Arg(0), code)
	return 0
}

// resetAccount stores the code in the hub's database, with an entry in the audit log.
func resetAccount(ctx context.Context, c hub.Config, name string) (code string, err error) {
	path := filepath.Join(c.Data, "portillon.db")
	if _, err := os.Stat(path); err != nil {
		return "", err // report a missing database before opening it, because opening would create an empty database
	}
	signer, err := c.Signer()
	if err != nil {
		return "", err
	}
	key, err := c.Verifier()
	if err != nil {
		return "", err
	}
	db, err := store.Open(ctx, path)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	site := db.Site(c.Site)
	log, err := audit.New(audit.Options{Site: site, Signer: signer, Key: key})
	if err != nil {
		return "", err
	}
	s, err := account.New(account.Options{Site: site, Folder: c.Data, Audit: log, Now: time.Now})
	if err != nil {
		return "", err
	}
	who := "root"
	if u, err := user.Current(); err == nil {
		who = u.Username
	}
	return s.Recovery.Recover(ctx, actor.Local(who), name)
}
