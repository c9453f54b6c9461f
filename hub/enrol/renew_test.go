package enrol

import (
	"encoding/hex"
	"errors"
	"testing"
	"time"

	"portillon/hub/store"
	"portillon/wire"
)

// A stolen machine requests a certificate while another computer joins as the same machine. The hub must refuse the
// stolen machine's key, even if the hub checked the key just before the join.
func TestRenewalIsRefusedOnceAnotherComputerHasJoined(t *testing.T) {
	b := newBench(t)
	if _, err := b.Machines.Add(t.Context(), admin, "laser"); err != nil {
		t.Fatal(err)
	}
	thief := b.joiner(false)
	if _, err := b.joins().join(t.Context(), thief.ask(), thief.channel); err != nil {
		t.Fatal(err)
	}
	signed, err := wire.SignRenew(wire.Renew{Site: "biklab", Machine: "laser", Channel: hex.EncodeToString(thief.channel),
		TLSKey: thief.tlsKey}, thief.signer)
	if err != nil {
		t.Fatal(err)
	}
	renew := func() error {
		_, err := b.joins().renew(t.Context(), wire.RenewAsk{Machine: "laser", Signed: signed}, thief.channel)
		return err
	}
	if err := renew(); err != nil {
		t.Fatal(err)
	}
	thief.named("portillon:machine:laser.biklab") // public key of the new computer
	done := make(chan error, 1)
	err = b.Machines.table.site.Write(t.Context(), func(tx *store.Tx) error {
		_, err := tx.Exec(t.Context(), `UPDATE machine SET public = $2 WHERE site = $1 AND machine = 'laser'`, thief.public)
		if err != nil {
			return err
		}
		// The renewal reads the machine's old key, and then waits until the join has replaced the key
		go func() { done <- renew() }()
		time.Sleep(200 * time.Millisecond)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := <-done; !errors.Is(err, errNotMachine) {
		t.Errorf("the key of the computer before: %v", err)
	}
}
