package hubd

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"filippo.io/age"

	"portillon/hub/store"
)

// maxSecrets is the size limit of the encrypted part of a backup, in bytes.
const maxSecrets = 16 << 20

// restore runs «portillon-hub restore FILE FOLDER».
func restore(ctx context.Context, args []string, out, errs io.Writer) int {
	fs := flag.NewFlagSet("portillon-hub restore", flag.ContinueOnError)
	fs.SetOutput(errs)
	phrase := fs.String("phrase-file", "", "a file that holds the recovery phrase: for the secrets")
	if err := fs.Parse(args); errors.Is(err, flag.ErrHelp) {
		return 0
	} else if err != nil {
		return 2
	}
	if fs.NArg() != 2 {
		return printError(errs, errors.New("argument FILE or FOLDER is missing"),
			"portillon-hub restore [-phrase-file F] FILE FOLDER")
	}
	r := restorer{dir: fs.Arg(1)}
	if err := r.run(ctx, fs.Arg(0), *phrase); err != nil {
		return printError(errs, fmt.Errorf("restore: %w", err), "")
	}
	fmt.Fprintf(out, "portillon-hub: the site %s of %s is restored into %s\n", r.about.Site,
		r.about.Made.Local().Format("2006-01-02 15:04:05"), r.dir)
	for _, name := range r.lacks {
		fmt.Fprintf(out, "portillon-hub: the secret %s is missing: put it back, or make another one\n", name)
	}
	for _, name := range r.moved {
		fmt.Fprintf(out, "portillon-hub: put %s back to %s, or change hub.yaml\n", filepath.Join(r.dir, name),
			strings.TrimPrefix(name, elsewhere))
	}
	return 0
}

// restorer writes the files of a backup into a folder.
type restorer struct {
	dir          string
	about        about
	databases    []string
	lacks, moved []string
}

// run restores a backup into an empty folder.
func (r *restorer) run(ctx context.Context, file, phraseFile string) error {
	if err := os.MkdirAll(r.dir, 0o700); err != nil {
		return err
	}
	if there, err := os.ReadDir(r.dir); err != nil {
		return err
	} else if len(there) > 0 {
		return fmt.Errorf("the folder %s is not empty: a restore overwrites nothing", r.dir)
	}
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	// Write the files that are not encrypted.
	sealed, err := r.writeFiles(tar.NewReader(f))
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	if r.about.Format != 1 || len(r.databases) != 1 {
		return fmt.Errorf("%s is not a backup that this program can restore: format %d, %d databases", file, r.about.Format,
			len(r.databases))
	}
	// Check the database now, so that a person learns of damage before the next start of the hub.
	if err := store.Check(ctx, r.databases[0]); err != nil {
		return err
	}
	r.lacks = append(r.lacks, r.about.Lacks...)
	// Without the phrase, restore cannot write the encrypted secrets, so list them as missing too.
	if phraseFile == "" {
		r.lacks = append(r.lacks, r.about.Secrets...)
		return nil
	}
	return r.secrets(sealed, phraseFile)
}

// writeFiles writes the files of a tar, except the encrypted part, which is returned.
func (r *restorer) writeFiles(t *tar.Reader) (sealed []byte, err error) {
	for {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return sealed, nil
		}
		if err != nil {
			return nil, err
		}
		// An attacker may have made the backup, so each path must stay inside the folder, and sizes are limited.
		switch {
		case h.Typeflag != tar.TypeReg || !filepath.IsLocal(h.Name) || h.Size > maxBackupFile:
			return nil, fmt.Errorf("backup contains the unexpected file %.200q of %d bytes", h.Name, h.Size)
		case h.Name == backupAbout:
			err = json.NewDecoder(io.LimitReader(t, 1<<20)).Decode(&r.about)
		case h.Name == backupSecrets:
			if h.Size > maxSecrets {
				return nil, fmt.Errorf("%s has %d bytes, want at most %d", h.Name, h.Size, maxSecrets)
			}
			sealed, err = io.ReadAll(t)
		default:
			err = r.writeFile(h, t)
		}
		if err != nil {
			return nil, err
		}
	}
}

// writeFile writes one file of the tar.
func (r *restorer) writeFile(h *tar.Header, from io.Reader) error {
	path := filepath.Join(r.dir, filepath.FromSlash(h.Name))
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, os.FileMode(h.Mode)&0o666)
	if err != nil {
		return err
	}
	n, err := io.Copy(f, from)
	if err == nil && n != h.Size {
		err = fmt.Errorf("%s has %d bytes, want %d", h.Name, n, h.Size)
	}
	// The file was outside the hub's folder. Print its old path, to which a person must move it back.
	if strings.HasPrefix(h.Name, elsewhere+"/") {
		r.moved = append(r.moved, h.Name)
	}
	if filepath.Base(path) == store.Name {
		r.databases = append(r.databases, path)
	}
	return errors.Join(err, f.Sync(), f.Close())
}

// secrets decrypts and writes the secrets.
func (r *restorer) secrets(sealed []byte, phraseFile string) error {
	if sealed == nil {
		return errors.New("backup contains no secrets, because it was made without -with-secrets")
	}
	b, err := os.ReadFile(phraseFile)
	if err != nil {
		return err
	}
	phrase := strings.ToLower(strings.TrimSpace(string(b)))
	id, err := age.NewScryptIdentity(phrase)
	if err != nil {
		return err
	}
	// The cost of scrypt is limited, so that a forged backup cannot require an arbitrarily high cost.
	id.SetMaxWorkFactor(phraseWork + 5)
	plain, err := age.Decrypt(bytes.NewReader(sealed), id)
	if err != nil {
		return fmt.Errorf("secrets cannot be decrypted with this recovery phrase: %w", err)
	}
	// Accept only secrets in the encrypted tar, and neither a database nor another encrypted part.
	before := slices.Clone(r.databases)
	if nested, err := r.writeFiles(tar.NewReader(plain)); err != nil || nested != nil || len(r.databases) != len(before) {
		return errors.Join(err, errors.New("encrypted part of the backup is incomplete"))
	}
	return nil
}
