package enrol

import (
	"context"
	"errors"
	"fmt"
	"time"

	"portillon/hub/store"
)

// Adopt registers machines that joined before this hub stored machine keys. The machines keep their keys and broker
// accounts. An adopted machine gets a certificate when it is enrolled again.
func Adopt(ctx context.Context, site *store.Site, now time.Time, all []Enrolled) error {
	err := site.Write(ctx, func(tx *store.Tx) error {
		for _, m := range all {
			if err := checkID(m.ID); err != nil {
				return err
			}
			if m.Public == "" {
				return errors.New("the machine " + string(m.ID) + " has no key")
			}
			var password []byte
			if m.Password != [len(m.Password)]byte{} {
				password = m.Password[:]
			}
			_, err := tx.Exec(ctx, `INSERT INTO machine (site, machine, version, added, enrolled, public, password)
				VALUES ($1, $2, 1, $3, $3, $4, $5) ON CONFLICT (site,
					machine) DO NOTHING`, string(m.ID), now.UnixMilli(), m.Public, password)
			if err != nil {
				return err
			}
		}
		tx.Changed(store.Machines)
		return nil
	})
	if err != nil {
		return fmt.Errorf("enrol: cannot register the machines that joined before this hub stored machine keys: %w", err)
	}
	return nil
}
