package hub_test

import (
	"slices"
	"testing"

	"portillon/hub/ledger/ledgertest"
	"portillon/wire"
)

// In this test, a person restores an older copy of a machine's journal. The hub must then send the machine again all
// the machine's tags from the ledger, with their ids, regardless of who put them on.
func TestHubSendsTagsOfTheLedgerToAMachineWithAnOlderJournal(t *testing.T) {
	t.Parallel() // most of the test's time is waiting
	m := ledgertest.New(t, "biklab", "laser")
	o := run(t, configure(t, []*ledgertest.Machine{m}))
	p := present(t, o)
	m.Append(wire.Booted, "", "", wire.BootBody{})
	m.Append(wire.Tagged, "", "m-1", wire.TagBody{Tag: "t1", Reason: "belt"})
	m.Append(wire.Tagged, "", "m-1", wire.TagBody{Tag: "t2", Reason: "lens"})
	m.Append(wire.Tagged, "", "", wire.TagBody{Tag: "due:lens-cleaning", Reason: "due"})
	m.Append(wire.Tagged, "", "", wire.TagBody{Tag: "contactor", Reason: "contactor"})
	m.Append(wire.Untagged, "", "m-1", wire.TagBody{Tag: "t1"})
	p.deliver(o, m, 1, 6)
	var got []string
	for range 2 {
		c := p.answerNext(true, 1) // the machine reports a tag and one record
		if c.Do != "tag" || c.Now {
			t.Errorf("%+v", c)
		}
		got = append(got, c.Tag+" "+c.Reason)
	}
	if !slices.Equal(got, []string{"t2 lens", "contactor contactor"}) {
		t.Errorf("returned: %q", got)
	}
	p.is(true, 6)
	p.requireNoMessage()
}
