package daemon

import "strings"

// TagOrigin says who or what added a tag. The origin is encoded as a prefix of the tag's id, because the journal and
// the hub store the id and have no other field for the origin.
type TagOrigin uint8

const (
	TagFromPeople TagOrigin = iota // added by a member at the panel, an operator, or the hub
	// Added by the machine for maintenance that is due; the tag is removed when the maintenance is done.
	TagFromMaintenance
	TagFromContactor // added by the machine because the contactor once differed from the order
	TagFromJournal   // added by the machine because its journal differs from the hub's copy
	TagFromSalvage   // added by the machine because its journal was damaged, so tags may be lost
)

// These are the ids of the tags that the machine adds to itself. Some ids are prefixes, to which the machine appends
// more text.
const (
	duePrefix    = "due:" // prefix; the kind of maintenance follows
	contactorTag = "contactor"
	// tagOlder is the prefix of the tag for a machine whose journal differs from the hub's copy. The number of records
	// in the hub's copy follows the prefix, so that a maintainer removes the tag once for each number that the hub
	// reports.
	tagOlder = "journal-older-"
	// tagNew is the prefix of the tag for a machine with a new journal. The beginning of the journal's generation
	// follows the prefix, so that each new journal has a different tag.
	tagNew = "journal-new-"
	// TagSalvaged is the tag for a machine whose journal was damaged in such a way that tags may be lost.
	TagSalvaged = "journal-damaged"
)

// OriginOf returns the origin of the tag with this id.
func OriginOf(id string) TagOrigin {
	switch {
	case strings.HasPrefix(id, duePrefix):
		return TagFromMaintenance
	case id == contactorTag:
		return TagFromContactor
	case strings.HasPrefix(id, tagNew), strings.HasPrefix(id, tagOlder):
		return TagFromJournal
	case id == TagSalvaged:
		return TagFromSalvage
	}
	return TagFromPeople
}

// IsJournalTag reports whether a tag only says that the machine's journal differs from the hub's copy.
func IsJournalTag(id string) bool { return OriginOf(id) == TagFromJournal }
