package daemoncmd

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"time"

	"portillon/wire"
)

// returner sends a bundle or a policy back to the hub (hublink.Link implements it).
type returner interface {
	Return(ctx context.Context, manifest, policy []byte) error
}

// hubReturns sends the machine's bundle back to a hub that has lost the bundle. A hub that was restored from a backup
// offers an older bundle than the one in force. After the machine has returned the newer bundle, the hub gives its next
// bundle a version number above that of the returned bundle.
type hubReturns struct {
	to   returner // connection to the hub; nil: this machine was not enrolled
	log  *slog.Logger
	last time.Time // time at which the machine last returned a bundle
}

const (
	// returnEvery is the minimum time between two returns, because the hub repeats its offer whenever a state changes.
	returnEvery = time.Minute
	// returnWithin is the time limit for one return. The limit is short because the bundle updater waits for the
	// return.
	returnWithin = 30 * time.Second
)

// answer sends the stored manifest to the hub if the hub's offer was rejected as older. If the policy in force is also
// newer than the offered one, answer sends the signed policy too. The machine's bundle stays in force whatever the hub
// replies.
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
		h.log.Warn("sending the machine's newer bundle to the hub failed", "err", err)
		return
	}
	h.log.Info("machine's newer bundle sent to the hub, which offers an older bundle")
}

// newerPolicy returns the policy file of the bundle in force if the policy's number is above the number in an offered
// manifest. Otherwise newerPolicy returns nil, as for a machine that pins no separate policy key.
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
