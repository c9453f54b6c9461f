package setup

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"portillon/cmd/internal/bootconfig"
	"portillon/cmd/internal/daemoncmd"
	"portillon/wire"
)

// restartMark is the path of a file that exists until the Pi has restarted, because /run is in memory.
const restartMark = "run/portillon-setup.reboot"

// boot edits config.txt and cmdline.txt for the wiring, like «portillon firmware apply».
func (s *Setup) boot(ctx context.Context, c daemoncmd.Config) error {
	if c.Simulated() {
		return nil
	}
	if configTXT(s.Root) == "" {
		s.Term.Say(t("Pas de config.txt : ce n’est pas un Raspberry Pi OS",
			"No config.txt: this is no Raspberry Pi OS"))
		return nil
	}
	root, err := os.OpenRoot(s.Root)
	if err != nil {
		return err
	}
	defer root.Close()
	plan, err := bootconfig.Edit(root, c.BootMachine())
	if err != nil {
		return err
	}
	for _, conflict := range plan.Conflicts {
		s.Term.Say(tf("Attention : %s", "Warning: %s", printable(conflict)))
	}
	if len(plan.Changes) == 0 {
		s.Term.Say(tf("/%s convient au câblage", "/%s fits the wiring", plan.Path))
		return nil
	}
	return s.apply(ctx, root, plan)
}

// apply shows the changes, asks for confirmation, and writes them. If the person does not answer yes, apply writes
// nothing.
func (s *Setup) apply(ctx context.Context, root *os.Root, plan bootconfig.Plan) error {
	for _, ch := range plan.Changes {
		fmt.Fprint(s.Term.out, printable(ch.Diff))
	}
	yes, err := s.Term.Confirm(ctx, tf("Changer /%s ainsi ?", "Change /%s so?", plan.Path))
	if err != nil {
		return err
	}
	if !yes {
		s.Term.Say(tf("/%s n’est pas changé.", "/%s is not changed.", plan.Path))
		return ErrIncomplete
	}
	// Write the mark first, so that the next run still asks for a restart if this run is interrupted between the two
	// writes.
	if err := os.MkdirAll(s.path("run"), 0o755); err != nil {
		return err
	}
	if err := wire.WriteFile(s.path(restartMark), []byte("config.txt has changed\n"), 0o644); err != nil {
		return err
	}
	if err := plan.Write(root, s.Host.Now()); err != nil {
		return err
	}
	for _, ch := range plan.Changes {
		s.Term.Say(tf("copie de l’ancien : %s", "copy of the old one: %s", ch.Copy))
	}
	return nil
}

// Computer returns the model in the device tree of the computer whose files are below root.
func Computer(root string) string { return bootconfig.ReadBoard(os.DirFS(root)).Model }

// configTXT returns the path of config.txt below root, in the folder of Bookworm or of older releases, or "" if there
// is no config.txt.
func configTXT(root string) string {
	for _, p := range []string{"boot/firmware/config.txt", "boot/config.txt"} {
		if fi, err := os.Stat(filepath.Join(root, p)); err == nil && fi.Mode().IsRegular() {
			return filepath.Join(root, p)
		}
	}
	return ""
}
