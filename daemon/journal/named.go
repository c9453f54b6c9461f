package journal

import (
	"errors"
	"fmt"

	"portillon/dberror"
)

// cureDamage is what to do with a damaged journal. The daemon does the same by itself at its start, where it can.
func cureDamage(path string) string {
	return fmt.Sprintf("portillon journal salvage %[1]s -o %[1]s.salvaged reads what is left of it, "+
		"and the daemon does so at its next start", path)
}

// named puts the file's name and what to do into an error of the database. Public methods defer it.
func (s *store) named(err *error) {
	*err = dberror.Wrap(s.path, cureDamage(s.path), *err)
	if tell := s.o.Damaged; tell != nil && IsDamaged(*err) {
		tell(*err)
	}
}

// IsDamaged reports whether an error says that the file is damaged, as opposed to a disk that is full or away.
func IsDamaged(err error) bool {
	return errors.Is(err, ErrDamaged) || dberror.KindOf(err) == dberror.Damaged
}

// refused is why a journal was not opened, with the file's name and what to do.
func refused(path string, err error) error {
	err = dberror.Wrap(path, cureDamage(path), err)
	if named := (*dberror.Error)(nil); errors.As(err, &named) {
		return fmt.Errorf("journal: %w", err)
	}
	if errors.Is(err, ErrDamaged) {
		return fmt.Errorf("journal %s: %w; %s", path, err, cureDamage(path))
	}
	return fmt.Errorf("journal %s: %w", path, err)
}
