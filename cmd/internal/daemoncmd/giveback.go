package daemoncmd

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"time"

	"portillon/wire"
)

// returner gives the hub what this machine works from (hublink.Link).
type returner interface {
	Return(ctx context.Context, manifest, policy []byte) error
}

// hubReturns sends the machine's bundle back to a hub that has lost it. A hub that was restored from a backup offers an
// older bundle than the one in force; with the newer one it can continue above its version.
type hubReturns struct {
	to   returner // nil: this machine was not enrolled
	log  *slog.Logger
	last time.Time // of the last return
}

const (
	// returnEvery is the shortest time between two returns: the hub repeats its offer whenever a state changes.
	returnEvery = time.Minute
	// returnWithin bounds one return. The updater does nothing else meanwhile.
	returnWithin = 30 * time.Second
)

// answer returns the manifest in the store to the hub if the hub's offer was refused as older, and the signed policy
// too if the policy in force is newer than the offered one. The machine keeps its bundle whatever the hub answers.
func (h *hubReturns) answer(ctx context.Context, s wire.Store, offered []byte, refusal error) {
	var r *wire.Refusal
	if h.to == nil || !errors.As(refusal, &r) || r.Code != "older-version" && r.Code != wire.OlderPolicy {
		return
	}
	now := time.Now()
	if !h.last.IsZero() && now.Sub(h.last) < returnEvery {
		return
	}
	h.last = now
	manifest := signedManifest(s)
	policy, err := newerPolicy(s, offered)
	if err == nil && manifest != nil {
		ctx, cancel := context.WithTimeout(ctx, returnWithin)
		defer cancel()
		err = h.to.Return(ctx, manifest, policy)
	}
	if err != nil {
		h.log.Warn("bundle not returned to the hub", "err", err)
		return
	}
	h.log.Info("bundle returned to a hub that offers an older one")
}

// newerPolicy is the policy file of the bundle in force if its number is above that of an offered manifest. It is nil
// if the number is not, or if the machine pins no separate policy key.
func newerPolicy(s wire.Store, offered []byte) ([]byte, error) {
	if s.Policy == nil {
		return nil, nil
	}
	now, err := s.Current()
	if err != nil {
		return nil, err
	}
	own, err := now.CheckPolicy(s.Policy)
	if err != nil {
		return nil, err
	}
	m, err := wire.OpenManifest(offered, s.Keys)
	if err != nil {
		return nil, err
	}
	if p, err := m.CheckPolicy(s.Policy); err == nil && p.Number >= own.Number {
		return nil, nil
	}
	f := wire.PolicyFile{Signed: []byte(now.SignedPolicy), Chunks: map[string][]byte{}}
	for _, c := range now.Chunks {
		if c.Name != wire.PolicyChunk && c.Name != wire.DocumentsChunk && !wire.IsBindingsChunk(c.Name) {
			continue
		}
		if f.Chunks[c.Name], err = s.Chunk(now, c.Name); err != nil {
			return nil, err
		}
	}
	var out bytes.Buffer
	err = wire.WritePolicyFile(&out, f)
	return out.Bytes(), err
}
