package hub

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"portillon/hub/ledger"
	"portillon/policy"
	"portillon/wire"
)

// CardAlert reports that a lost or blocked card was tapped at a machine.
type CardAlert struct {
	Seq    uint64          `json:"seq"`
	At     time.Time       `json:"at"`
	Member policy.MemberID `json:"member"` // owner of the card, who may be a different person than the one who tapped it
	State  string          `json:"state"`
	Since  string          `json:"since,omitempty"` // time since when the site lists the card as lost or blocked
}

// In returns the alert as one line of text in language l, for the administrator.
func (a CardAlert) In(l policy.Language) string {
	state := policy.Text{FR: "carte refusée", EN: "refused card"}
	switch a.State {
	case "lost":
		state = policy.Text{FR: "carte perdue", EN: "lost card"}
	case "blocked":
		state = policy.Text{FR: "carte bloquée", EN: "blocked card"}
	}
	return fmt.Sprintf(policy.Text{FR: "%s présentée le %s (membre %s)", EN: "%s tapped on %s (member %s)"}.In(l),
		state.In(l), a.At.Local().Format("2006-01-02 15:04"), a.Member)
}

const (
	alertsMost = 8                   // number of newest alerts that the hub keeps in memory for each machine
	alertsLast = 30 * 24 * time.Hour // time for which the hub stores an alert
)

// takeAlerts reads a machine's card alerts from the records that follow record number after. It returns these alerts,
// and stores the newest alerts of the machine.
func (fl *fleet) takeAlerts(id policy.MachineID, after uint64) (fresh []CardAlert, err error) {
	q := ledger.Query{Machine: id, Kinds: []wire.Kind{wire.CardAlert}, After: after}
	err = fl.core.ledger.Records(context.Background(), q, func(e ledger.Entry) error {
		var b wire.CardAlertBody
		if json.Unmarshal(e.Body, &b) != nil {
			b.State = "" // report the alert even if this release cannot parse the body
		}
		fresh = append(fresh, CardAlert{Seq: e.Seq, At: e.Wall, Member: e.Member, State: b.State, Since: b.Since})
		return nil
	})
	fl.change(id, func(m *Machine) {
		all := append(slices.Clone(m.Alerts), fresh...)
		old := fl.core.now().Add(-alertsLast)
		all = slices.DeleteFunc(all, func(a CardAlert) bool { return a.At.Before(old) })
		m.Alerts = all[max(0, len(all)-alertsMost):]
	})
	return fresh, err
}

// warnOfAlerts logs the card alerts in a machine's new records. The new records are those that follow record number
// after.
func (fl *fleet) warnOfAlerts(id policy.MachineID, after uint64) {
	fresh, err := fl.takeAlerts(id, after)
	if err != nil {
		fl.core.log.Error("reading the card alerts of a machine failed", "machine", id, "err", err)
	}
	for _, a := range fresh {
		fl.core.log.Warn("refused card tapped", "machine", id, "state", a.State, "member", a.Member, "at", a.At)
	}
}
