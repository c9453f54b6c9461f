package hub

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"portillon/hub/store"
	"portillon/hub/store/storetest"
	"portillon/policy"
)

// The hub reads the names of machines from the database only after a policy was published.
func TestMachineNamesChangeWhenAPolicyIsPublished(t *testing.T) {
	db := storetest.Open(t)
	text, err := os.ReadFile("../site-example/policy.yaml")
	if err != nil {
		t.Fatal(err)
	}
	site := db.Site("biklab")
	number, reads := int64(1), 0
	p := policies{read: func(context.Context) (int64, string, error) {
		reads++
		return number, strings.Replace(string(text), "fr: Découpe laser", fmt.Sprintf("fr: Laser %d", number), 1), nil
	}}
	p.changes, _ = site.Subscribe(store.Policy)
	name := func() string { return p.machineName("laser").In(policy.French) }
	if got := name() + name() + name(); got != "Laser 1Laser 1Laser 1" || reads != 1 {
		t.Errorf("%s, read %d times", got, reads)
	}
	number = 2
	if err := site.Write(t.Context(), func(tx *store.Tx) error { tx.Changed(store.Policy); return nil }); err != nil {
		t.Fatal(err)
	}
	if got := name() + name(); got != "Laser 2Laser 2" || reads != 2 {
		t.Errorf("after a publication: %s, read %d times", got, reads)
	}
	if got := p.machineIDs(); len(got) != 3 || got[0] != "laser" || p.badgeName("x") != (policy.Text{}) {
		t.Errorf("%v", got)
	}
}
