package daemon

import "strings"

// TagOrigin is where a tag comes from. A tag's id carries it, as a prefix: ids are in the journal and at the hub, which
// know no other field for it.
type TagOrigin uint8

const (
	TagFromPeople      TagOrigin = iota // a member at the panel, an operator, or the hub
	TagFromMaintenance                  // the machine itself, for maintenance that is due; doing it takes the tag off
	TagFromContactor                    // the machine itself: command and contactor disagreed once
	TagFromJournal                      // the machine itself: its journal is not the one that the hub holds
	TagFromSalvage                      // the machine itself: its journal was damaged, and tags may be lost with it
)

// The ids of tags that the machine puts on itself; a prefix where something follows.
const (
	duePrefix    = "due:" // and the kind of maintenance
	contactorTag = "contactor"
	// tagOlder begins the name of the tag of a machine whose journal is not the one that the hub holds; the number of
	// records that the hub holds follows, so that a maintainer takes it off once for each of the hub's words.
	tagOlder = "journal-older-"
	// tagNew begins the name of the tag of a machine with a journal that began anew. The beginning of the journal's
	// generation follows, so that each new journal has a tag of its own.
	tagNew = "journal-new-"
	// TagSalvaged is the tag of a machine whose journal was damaged so that tags may be lost with it.
	TagSalvaged = "journal-damaged"
)

// OriginOf is where the tag with this id comes from.
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

// IsJournalTag reports whether a tag only says that the machine's journal is not the one that the hub holds.
func IsJournalTag(id string) bool { return OriginOf(id) == TagFromJournal }
