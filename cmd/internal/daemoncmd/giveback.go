package daemoncmd

import (
	"bytes"
	"context"
	"errors"
	"time"

	"portillon/wire"
)

// returner gives the hub what this machine works from (hublink.Link).
type returner interface {
	Return(ctx context.Context, manifest, policy []byte) error
}

// hubReturns says where bundles are returned to, and when that was last done.
type hubReturns struct {
	to   returner  // nil: this machine was not enrolled
	last time.Time // when it last returned something
}

const (
	returnEvery  = time.Minute // at most so often
	returnWithin = 30 * time.Second
)

// returnToHub returns the bundle's manifest, and the signed policy where that is newer too, to a hub that offered an older
// one: it was restored from a backup, and goes on above them. Whatever the hub makes of it, this machine works from
// what it has.
func (k *bundleUpdater) returnToHub(ctx context.Context, offered []byte, why error) {
	var r *wire.Refusal
	if k.back.to == nil || !errors.As(why, &r) || r.Code != "older-version" && r.Code != wire.OlderPolicy {
		return
	}
	now := time.Now()
	if !k.back.last.IsZero() && now.Sub(k.back.last) < returnEvery {
		return
	}
	k.back.last = now
	manifest := k.current()
	policy, err := k.newerPolicy(offered)
	if err == nil && manifest != nil {
		ctx, cancel := context.WithTimeout(ctx, returnWithin)
		defer cancel()
		err = k.back.to.Return(ctx, manifest, policy)
	}
	if err != nil {
		k.log.Warn("bundle not returned to the hub", "err", err)
		return
	}
	k.log.Info("bundle returned to a hub that offers an older one")
}

// newerPolicy is the policy file of the bundle in force, where its number is above that of an offered manifest; nil: it
// is not, or the machine pins no policy key apart.
func (k *bundleUpdater) newerPolicy(offered []byte) ([]byte, error) {
	if k.store.Policy == nil {
		return nil, nil
	}
	now, err := k.store.Current()
	if err != nil {
		return nil, err
	}
	own, err := now.CheckPolicy(k.store.Policy)
	if err != nil {
		return nil, err
	}
	m, err := wire.OpenManifest(offered, k.store.Keys)
	if err != nil {
		return nil, err
	}
	if p, err := m.CheckPolicy(k.store.Policy); err == nil && p.Number >= own.Number {
		return nil, nil
	}
	f := wire.PolicyFile{Signed: []byte(now.SignedPolicy), Chunks: map[string][]byte{}}
	for _, c := range now.Chunks {
		if c.Name != wire.PolicyChunk && c.Name != wire.DocumentsChunk && !wire.IsBindingsChunk(c.Name) {
			continue
		}
		if f.Chunks[c.Name], err = k.store.Chunk(now, c.Name); err != nil {
			return nil, err
		}
	}
	var out bytes.Buffer
	err = wire.WritePolicyFile(&out, f)
	return out.Bytes(), err
}
