package hub

import (
	"context"
	"encoding/json"
	"time"

	"portillon/hub/ledger"
	"portillon/policy"
	"portillon/wire"
)

// UnknownTap is the tap of an unknown card at a machine, read from the machine's sealed record.
type UnknownTap struct {
	wire.EnrolCard
	Machine    policy.MachineID
	Generation wire.Generation
	Seq        uint64
	At         time.Time // time of the tap by the machine's clock
	Believed   bool      // the machine trusted its clock at the time of the tap
}

// UnknownTaps returns the unknown cards that were tapped within wire.CodeLife before now, at all machines of hub.yaml.
// UnknownTaps leaves out records with card numbers that it cannot decrypt. The recorded time is used even if the
// machine's clock was not trusted. UnknownTaps only reads the database.
func (c Config) UnknownTaps(ctx context.Context, now time.Time) (out []UnknownTap, err error) {
	keys, err := c.SealKeys(now)
	if err != nil || len(keys) == 0 {
		return nil, err
	}
	l, err := ledger.OpenReadOnly(c.Ledger(), c.Site)
	if err != nil {
		return nil, err
	}
	defer l.Close()
	err = l.Records(ctx, ledger.Query{Kinds: []wire.Kind{wire.Refused}}, func(e ledger.Entry) error {
		if now.Sub(e.Wall).Abs() >= wire.CodeLife || e.Member != "" {
			return nil
		}
		var body wire.RefusedBody
		if json.Unmarshal(e.Body, &body) != nil || body.Sealed == "" {
			return nil
		}
		if card, err := wire.OpenCard(body.Sealed, c.Site, e.Machine, keys); err == nil {
			out = append(out, UnknownTap{card, e.Machine, e.Generation, e.Seq, e.Wall, e.Clock.Believed()})
		}
		return nil
	})
	return out, err
}
