package journal

import (
	"errors"
	"fmt"

	"portillon/dberror"
)

// damageRemedy returns the instructions for repairing a damaged journal. The daemon attempts the same repair at its
// start.
func damageRemedy(path string) string {
	return fmt.Sprintf("portillon journal salvage %[1]s -o %[1]s.salvaged reads what is left of it, "+
		"and the daemon does so at its next start", path)
}

// addNameAndRemedy adds the file's name and the remedy to an error of the database. Public methods call it in a defer
// statement.
func (s *store) addNameAndRemedy(err *error) {
	*err = dberror.Wrap(s.path, damageRemedy(s.path), *err)
	if tell := s.o.Damaged; tell != nil && IsDamaged(*err) {
		tell(*err)
	}
}

// IsDamaged reports whether an error means that the file is damaged, and not that the disk is full or missing.
func IsDamaged(err error) bool {
	return errors.Is(err, ErrDamaged) || dberror.KindOf(err) == dberror.Damaged
}

// openError returns the error for a journal that was not opened, with the file's name and the remedy.
func openError(path string, err error) error {
	err = dberror.Wrap(path, damageRemedy(path), err)
	if named := (*dberror.Error)(nil); errors.As(err, &named) {
		return fmt.Errorf("journal: %w", err)
	}
	if errors.Is(err, ErrDamaged) {
		return fmt.Errorf("journal %s: %w; %s", path, err, damageRemedy(path))
	}
	return fmt.Errorf("journal %s: %w", path, err)
}
