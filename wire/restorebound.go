package wire

import (
	"cmp"
	"fmt"
)

// maxBoundedTags is the largest number of tags in a Restore that Bounded returns. A machine stores at most 32 tags,
// including those that it adds itself (daemon/session: TagsMax). If it cannot add every tag of a Restore, it refuses
// the Restore.
const maxBoundedTags = 24

// maxTagID and maxTagReason are the largest sizes of the id and the reason of a tag in a Restore, and maxDoneKind is
// the largest size of a kind of maintenance, in bytes.
const maxTagID, maxTagReason, maxDoneKind = 64, 500, 64

// Bounded returns r with its content reduced to the limits that the machine checks. The limits matter because anyone
// who has the machine's key can write a false record. Without Bounded, one false record would make the machine refuse
// the whole Restore. No tag is lost: if a tag's id is too long, the tag gets another id, and if there are too many
// tags, the last ones become one tag.
func (r Restore) Bounded() Restore {
	r.Tags = boundedTags(r.Tags)
	var removed []string
	for _, id := range r.Removed {
		if id != "" && len(id) <= maxTagID {
			removed = append(removed, id)
		}
	}
	r.Removed = removed[max(0, len(removed)-maxRemovedTags):]
	r.Relay, r.Busy = boundedSeconds(r.Relay), boundedSeconds(r.Busy)
	var practice []RestoredPractice
	for _, p := range r.Practice {
		p.Seconds = boundedSeconds(p.Seconds)
		var recent []RestoredSession
		for _, x := range p.Recent {
			x.Seconds = min(boundedSeconds(x.Seconds), p.Seconds)
			recent = append(recent, x)
		}
		if p.Recent = recent; p.Member != "" && len(p.Member) <= maxMemberID {
			practice = append(practice, p)
		}
	}
	r.Practice = practice
	var done []RestoredDone
	for _, d := range r.Done {
		d.Ran = boundedSeconds(d.Ran)
		if d.Kind != "" && len(d.Kind) <= maxDoneKind && len(done) < maxRestoredTags {
			done = append(done, d)
		}
	}
	r.Done = done
	return r
}

// maxMemberID is the largest size of a pseudonym in bytes, which is the same in records (daemon/session: envelopeMax).
const maxMemberID = 64

func boundedSeconds(n int64) int64 { return min(max(n, 0), maxRestoredSeconds) }

func boundedTags(tags []RestoredTag) []RestoredTag {
	var out []RestoredTag
	for i, t := range tags {
		if i == maxBoundedTags-1 && len(tags) > maxBoundedTags {
			return append(out, RestoredTag{ID: "restored-more", Since: t.Since,
				Reason: fmt.Sprintf("%[1]d autres étiquettes, voir le registre du hub / "+
					"%[1]d more tags, see the hub's ledger", len(tags)-i)})
		}
		if len(t.ID) > maxTagID {
			t.ID = Hash([]byte(t.ID))[:16]
		}
		if len(t.By) > maxMemberID {
			t.By = ""
		}
		t.Reason = cmp.Or(OneLine(t.Reason, maxTagReason), "?")
		out = append(out, t)
	}
	return out
}
