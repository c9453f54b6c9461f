package hubd

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base32"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"filippo.io/age"

	"portillon/hub"
	"portillon/hub/cardkey"
	"portillon/hub/store"
	"portillon/wire"
)

// These constants are the names of the parts of a backup. A backup is a tar of the hub's files, with paths relative to
// the folder of hub.yaml. A file outside that folder is stored below elsewhere/, under its full path. The secrets are
// in an inner tar, which is encrypted with the recovery phrase.
const (
	backupAbout   = "backup.json"
	backupSecrets = "secrets.age"
	elsewhere     = "elsewhere"
	phraseFile    = "recovery.phrase"
	maxBackupFile = 16 << 30 // size limit in bytes of a file that restore accepts
)

// about is the JSON file in a backup that describes the backup.
type about struct {
	Format  int       `json:"format"`
	Site    string    `json:"site"`
	Made    time.Time `json:"made"`
	Lacks   []string  `json:"lacks,omitempty"`   // names of the hub's secrets that the backup does not contain
	Secrets []string  `json:"secrets,omitempty"` // names of secrets in the encrypted part
}

// backupFiles contains the paths of the files of a backup.
type backupFiles struct {
	base           string // the folder of hub.yaml
	plain, secrets []string
}

// name returns a file's path in a backup.
func (b backupFiles) name(path string) (string, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	if rel, err := filepath.Rel(b.base, abs); err == nil && filepath.IsLocal(rel) {
		return filepath.ToSlash(rel), nil
	}
	return elsewhere + filepath.ToSlash(abs), nil
}

// filesOf lists the files of a hub for a backup. The list excludes the database, which is copied separately, the
// broker's retained messages, which the hub publishes again, the keys of sealed cards, of which no copy may exist, and
// the recovery phrase.
func filesOf(config string, c hub.Config) (b backupFiles, err error) {
	abs, err := filepath.Abs(config)
	if err != nil {
		return b, err
	}
	b.base, b.plain = filepath.Dir(abs), []string{abs}
	// At the end, the function existing removes the paths that are empty or that name no file.
	secrets := []string{c.Key, c.MQTT.CertKey, c.MQTT.Watcher, c.MQTT.PasswordFile, c.Join.CertKey, c.Web.CertKey, c.Mail}
	// During a change of the card key, some cards are still hashed with the previous key.
	if c.Join.CardKey != "" {
		secrets = append(secrets, c.Join.CardKey, cardkey.BeforeFile(c.Join.CardKey))
	}
	for _, m := range c.Machines {
		secrets = append(secrets, m.PasswordFile)
	}
	plain := []string{c.MQTT.Cert, c.Bundle.File, c.Join.Cert, c.Join.Authority}
	// The hub creates its own certificate again at its next start.
	if c.Web.Cert != hub.OwnCert {
		plain = append(plain, c.Web.Cert)
	}
	// Include the authority's key, because machines identify the hub by its authority.
	for _, dir := range []string{"keys", "authority", "bundle", "tags"} {
		into := &plain
		if dir == "keys" || dir == "authority" {
			into = &secrets
		}
		err := filepath.WalkDir(filepath.Join(c.Data, dir), func(path string, e fs.DirEntry, err error) error {
			if err == nil && e.Type().IsRegular() {
				*into = append(*into, path)
			}
			return err
		})
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return b, err
		}
	}
	b.plain, b.secrets = append(b.plain, existing(plain)...), existing(secrets)
	return b, nil
}

// existing returns the paths that name regular files, without duplicates.
func existing(paths []string) (out []string) {
	for _, p := range paths {
		if fi, err := os.Stat(p); p != "" && err == nil && fi.Mode().IsRegular() && !slices.Contains(out, p) {
			out = append(out, p)
		}
	}
	return out
}

// backup runs «portillon-hub backup FILE».
func backup(ctx context.Context, args []string, out, errs io.Writer) int {
	fs := flag.NewFlagSet("portillon-hub backup", flag.ContinueOnError)
	fs.SetOutput(errs)
	config := fs.String("config", runningConfig(), "the hub's file")
	withSecrets := fs.Bool("with-secrets", false, "with keys and passwords, encrypted to the recovery phrase")
	if err := fs.Parse(args); errors.Is(err, flag.ErrHelp) {
		return 0
	} else if err != nil {
		return 2
	}
	if fs.NArg() != 1 {
		return printError(errs, errors.New("argument FILE, the backup's file, is missing"),
			"portillon-hub backup [-config hub.yaml] [-with-secrets] FILE")
	}
	a, err := writeBackup(ctx, *config, fs.Arg(0), *withSecrets, out)
	if err != nil {
		return printError(errs, fmt.Errorf("backup: %w", err), "")
	}
	fmt.Fprintf(out, "portillon-hub: backup %s of the site %s is written\n", fs.Arg(0), a.Site)
	for _, name := range a.Lacks {
		fmt.Fprintf(out, "portillon-hub: the backup lacks the secret %s\n", name)
	}
	if len(a.Lacks) > 0 {
		fmt.Fprintln(out, "portillon-hub: a hub restored from it needs these files; -with-secrets adds them, encrypted to "+
			"the phrase")
	}
	return 0
}

// writeBackup writes a backup to a new file, and stores the time of the backup in the hub's data.
func writeBackup(ctx context.Context, config, to string, withSecrets bool, out io.Writer) (a about, err error) {
	c, err := hub.ReadConfig(config)
	if err != nil {
		return a, err
	}
	b, err := filesOf(config, c)
	if err != nil {
		return a, err
	}
	a = about{Format: 1, Site: string(c.Site), Made: time.Now().UTC().Truncate(time.Second)}
	// The list of secrets is readable without the phrase, so that a restore can name the missing secrets.
	for _, path := range b.secrets {
		name, err := b.name(path)
		if err != nil {
			return a, err
		}
		if a.Lacks = append(a.Lacks, name); withSecrets {
			a.Secrets, a.Lacks = append(a.Secrets, name), nil
		}
	}
	// With O_EXCL a backup never overwrites an older file.
	f, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return a, err
	}
	err = b.writeTar(ctx, f, c, a, withSecrets, out)
	// Remove an incomplete file, because it could be mistaken for a backup.
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return a, errors.Join(err, os.Remove(to))
	}
	// Ignore an error, because the backup is complete even if its time could not be stored.
	if err := hub.NoteBackup(c.Data, a.Made); err != nil {
		fmt.Fprintf(out, "portillon-hub: the hub does not know of this backup: %v\n", err)
	}
	return a, nil
}

// writeTar writes the tar of a backup to w.
func (b backupFiles) writeTar(ctx context.Context, f io.Writer, c hub.Config, a about, withSecrets bool,
	out io.Writer) error {
	t := tar.NewWriter(f)
	text, err := json.MarshalIndent(a, "", "\t")
	if err != nil {
		return err
	}
	if err := addBytes(t, backupAbout, text); err != nil {
		return err
	}
	// Copy the database to a second file first, because a database in use cannot be read directly.
	copied := c.Database() + ".backup"
	// Remove the second file of an earlier backup that was interrupted.
	if err := os.Remove(copied); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	defer os.Remove(copied)
	if err := store.BackUp(ctx, c.Database(), copied); err != nil {
		return err
	}
	name, err := b.name(c.Database())
	if err != nil {
		return err
	}
	if err := addFile(t, name, copied); err != nil {
		return err
	}
	if err := b.addFiles(t, b.plain); err != nil {
		return err
	}
	// Write the secrets last: one file of the tar contains all of them, encrypted.
	if withSecrets {
		sealed, err := b.encryptSecrets(c, out)
		if err != nil {
			return err
		}
		if err := addBytes(t, backupSecrets, sealed); err != nil {
			return err
		}
	}
	return t.Close()
}

// addFiles adds files to the tar.
func (b backupFiles) addFiles(t *tar.Writer, paths []string) error {
	for _, path := range paths {
		name, err := b.name(path)
		if err != nil {
			return err
		}
		if err := addFile(t, name, path); err != nil {
			return err
		}
	}
	return nil
}

// addFile adds one file to the tar.
func addFile(t *tar.Writer, name, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return err
	}
	if err := t.WriteHeader(&tar.Header{Name: name, Mode: int64(fi.Mode().Perm()), Size: fi.Size(),
		ModTime: fi.ModTime()}); err != nil {
		return err
	}
	_, err = io.CopyN(t, f, fi.Size())
	return err
}

// addBytes adds to the tar a file with the given name and content.
func addBytes(t *tar.Writer, name string, b []byte) error {
	if err := t.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: int64(len(b))}); err != nil {
		return err
	}
	_, err := t.Write(b)
	return err
}

// encryptSecrets returns a tar of the secrets, encrypted with the recovery phrase (age with a passphrase: scrypt).
func (b backupFiles) encryptSecrets(c hub.Config, out io.Writer) ([]byte, error) {
	phrase, made, err := RecoveryPhrase(c.Data)
	if err != nil {
		return nil, err
	}
	if made {
		fmt.Fprintf(out, "portillon-hub: the recovery phrase is %s\nportillon-hub: write it down: without it nobody reads "+
			"the secrets of a backup\n", phrase)
	}
	to, err := age.NewScryptRecipient(phrase)
	if err != nil {
		return nil, err
	}
	to.SetWorkFactor(phraseWork)
	var sealed bytes.Buffer
	w, err := age.Encrypt(&sealed, to)
	if err != nil {
		return nil, err
	}
	t := tar.NewWriter(w)
	if err := errors.Join(b.addFiles(t, b.secrets), t.Close(), w.Close()); err != nil {
		return nil, err
	}
	return sealed.Bytes(), nil
}

// phraseWork is the base-2 logarithm of scrypt's cost for the recovery phrase: 2^15 needs 32 MB, which a Pi 3 has.
// Nobody can guess the phrase, which has 130 random bits, so a higher cost is not needed.
const phraseWork = 15

// RecoveryPhrase returns the phrase that encrypts secrets in backups. The phrase is in a file of the data folder that
// no backup contains. If the file is missing, a new phrase is created and the result made is true; the caller must then
// show the phrase once.
func RecoveryPhrase(data string) (phrase string, made bool, err error) {
	// Return an existing phrase, because all backups of a hub are encrypted with the same phrase.
	path := filepath.Join(data, phraseFile)
	b, err := os.ReadFile(path)
	if err == nil {
		if phrase = strings.TrimSpace(string(b)); len(phrase) < 20 {
			return "",
				false, fmt.Errorf("file %s contains no recovery phrase, move the file away so that a new phrase is created", path)
		}
		return phrase, false, nil
	}
	if !errors.Is(err, os.ErrNotExist) {
		return "", false, err
	}
	chance := make([]byte, 17) // 136 random bits; the 26 letters of the phrase use 130 of them
	rand.Read(chance)          // never fails (crypto/rand)
	// This alphabet has no i, l, o and u, which are easily misread on paper.
	letters := base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding).EncodeToString(
		chance)[:26]
	var groups []string
	for g := range slices.Chunk([]byte(letters), 5) {
		groups = append(groups, string(g))
	}
	phrase = strings.Join(groups, "-")
	if err := os.MkdirAll(data, 0o700); err != nil {
		return "", false, err
	}
	return phrase, true, wire.WriteFile(path, []byte(phrase+"\n"), 0o600)
}
