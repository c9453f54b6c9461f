// Package maintenance says what the machines need and what was done for them: reports of members, interventions and
// their attestations, tags, times out of service, and the maintenance that the policy plans.
//
//	ledger ─▶ Records ─▶ Update ─▶ maintenance_events, _days, _journals ─▶ read ─▶ Overview, Machine
//
// Update copies the records about maintenance from the ledger, journal by journal, and adds up the use of each machine.
// The position in each journal is stored in the same transaction, so that each record counts exactly once. read (in
// history.go) is a pure function: it makes the history of a machine from these records at a given time.
//
// An open report is closed by the first of the following. If the report put a tag on the machine: the tag is taken off.
// Otherwise: an intervention is logged at the machine, or a tag of a person is taken off. Or a maintainer closes the
// report at the hub, with a reason.
//
// A machine is out of service while it has a tag or a fault. The emergency stop is not a fault here, because pressing
// it is part of normal use. A failure is a time out of service because of a tag of a person, a fault, or a contactor
// that did not obey. Planned maintenance and a replaced journal are no failures. Times that overlap are one failure.
// The mean time between failures is the use of the machine since its first record, divided by the number of failures.
// The mean time to repair is the mean length of the failures that have ended. Both need at least MinFailures failures.
//
// Use is the length of all sessions that have ended, except the sessions of maintainers. The running hours since a
// maintenance are those that the machine has counted (wire.Ran), as far as its records tell, plus the use since then.
//
// A record from an untrusted clock has the time of the record before it.
//
// Names and ids of members are only for actors who may see names. A person always sees their own interventions.
package maintenance

import (
	"time"

	"portillon/policy"
	"portillon/wire"
)

// MinFailures is the smallest number of failures from which a mean is calculated.
const MinFailures = 2

// Person is a member in a history. The zero Person is unknown, or the actor may not see names.
type Person struct {
	Member policy.MemberID `json:"member,omitempty"`
	Name   string          `json:"name,omitempty"`
}

// Report is a problem that a member reported at a machine.
type Report struct {
	ID        string       `json:"id"` // generation and sequence number of the record
	At        time.Time    `json:"at"`
	Uncertain bool         `json:"uncertain,omitempty"` // the machine's clock was not trusted
	What      wire.Problem `json:"what"`
	Words     string       `json:"words,omitempty"`
	// Claimed means that the report was sent from a phone, and that nobody confirmed the sender at the machine.
	Claimed bool     `json:"claimed,omitempty"`
	By      Person   `json:"by,omitzero"`
	Closed  *Closing `json:"closed,omitempty"` // nil: the report is open

	tag string // id of the tag that the report put on
}

// Closing says what closed a report.
type Closing struct {
	At time.Time `json:"at"`
	// How is "return" for a tag that was taken off, "work" for an intervention, "person" for a person at the hub.
	How   string      `json:"how"`
	What  string      `json:"what,omitempty"`  // kind of the intervention
	Label policy.Text `json:"-"`               // name of the kind of the intervention
	Words string      `json:"words,omitempty"` // reason of the person at the hub
	By    Person      `json:"by,omitzero"`
}

// Attest is the state of an intervention's attestation.
type Attest string

const (
	NotAsked Attest = "not-asked" // the policy asked for no attestation
	Awaited  Attest = "awaited"   // the endorser can still attest the intervention at the machine
	Attested Attest = "attested"
	Missed   Attest = "missed" // nobody attested the intervention in time
)

// Work is an intervention that was logged at a machine.
type Work struct {
	Machine   policy.MachineID `json:"machine"`
	At        time.Time        `json:"at"`
	Uncertain bool             `json:"uncertain,omitempty"`
	What      string           `json:"what"` // kind of the intervention
	Label     policy.Text      `json:"-"`    // name of the kind
	Words     string           `json:"words,omitempty"`
	Parts     string           `json:"parts,omitempty"`
	Minutes   int              `json:"minutes,omitempty"`
	By        Person           `json:"by,omitzero"`
	Endorser  Person           `json:"endorser,omitzero"`
	Attest    Attest           `json:"attest"`
}

// Origin says why a tag was put on.
type Origin string

const (
	FromPerson    Origin = "person"
	FromDue       Origin = "due"       // maintenance is due
	FromContactor Origin = "contactor" // the contactor did not obey
	FromJournal   Origin = "journal"   // the machine's journal was replaced, restored or damaged
)

// Tag is a time during which a tag was on a machine.
type Tag struct {
	ID        string    `json:"id"`
	From      time.Time `json:"from"`
	To        time.Time `json:"to,omitzero"` // zero: the tag is on the machine
	Uncertain bool      `json:"uncertain,omitempty"`
	Origin    Origin    `json:"origin"`
	Reason    string    `json:"reason,omitempty"`
	Role      string    `json:"role,omitempty"` // role of the person who put the tag on
	By        Person    `json:"by,omitzero"`
	Off       Person    `json:"off,omitzero"` // the person who took the tag off
}

// Due is one planned maintenance of a machine.
type Due struct {
	What  string      `json:"what"` // kind of the intervention
	Label policy.Text `json:"-"`    // name of the kind
	Hours int64       `json:"every_s,omitempty"`
	Days  int         `json:"every_days,omitempty"`
	Block bool        `json:"block,omitempty"`  // the machine is out of service from the due date on
	Last  time.Time   `json:"last,omitzero"`    // zero: the ledger has no such intervention
	Used  int64       `json:"used_s"`           // running seconds since then
	Left  int64       `json:"left_s,omitempty"` // running seconds until the maintenance is due; negative: overdue
	At    time.Time   `json:"at,omitzero"`      // day on which it is due at the present rate; zero: unknown
	State DueState    `json:"state"`
}

// DueState says whether planned maintenance is due.
type DueState string

const (
	DueLater DueState = "later"
	DueSoon  DueState = "soon" // at most a tenth of the interval is left, as at the machine
	DueNow   DueState = "now"
)

// Month is the time out of service in one month of the site's time zone.
type Month struct {
	Month    string `json:"month"`    // 2026-11
	Seconds  int64  `json:"down_s"`   // time out of service
	Failed   int64  `json:"failed_s"` // part of Seconds that belongs to failures
	Failures int    `json:"failures"` // number of failures that began in the month
}

// Figures are the numbers of one machine.
type Figures struct {
	Since    time.Time `json:"since,omitzero"` // first record with a trusted time; zero: there is none
	Used     int64     `json:"used_s"`         // use since then
	Initial  *Initial  `json:"initial,omitempty"`
	Total    int64     `json:"total_s"`   // use with the initial hours
	PerDay   int64     `json:"per_day_s"` // present rate: mean use per day of the last 28 days
	Failures int       `json:"failures"`
	Between  int64     `json:"between_s,omitempty"` // mean time between failures; 0: too few failures
	Repaired int       `json:"repaired"`            // number of failures that have ended
	Repair   int64     `json:"repair_s,omitempty"`  // mean time to repair; 0: too few failures have ended
}

// Initial is the use of a machine before a day, as an administrator states it.
type Initial struct {
	Hours int64       `json:"hours"`
	Day   policy.Date `json:"-"`
	On    string      `json:"on"` // Day as 2026-01-01
}

// Machine is the maintenance of one machine, the newest entries first.
type Machine struct {
	ID      policy.MachineID `json:"machine"`
	Due     []Due            `json:"due"` // the first to be due first
	Reports []Report         `json:"reports"`
	Works   []Work           `json:"interventions"`
	Tags    []Tag            `json:"tags"`
	Months  []Month          `json:"months"` // the last 12 months, the oldest first
	Figures Figures          `json:"figures"`
	MayTag  bool             `json:"-"` // the actor may close reports
}

// Item is one thing that a machine needs. Exactly one of Report, Tag, Due and Work is set.
type Item struct {
	Machine policy.MachineID `json:"machine"`
	Group   Group            `json:"group"`
	Report  *Report          `json:"report,omitempty"`
	Tag     *Tag             `json:"tag,omitempty"`
	Due     *Due             `json:"due,omitempty"`
	Work    *Work            `json:"intervention,omitempty"`

	rank int       // the worst is 0
	at   time.Time // of two items with the same rank, the older one is first
}

// Group is a kind of items, by which lists are filtered.
type Group string

const (
	GroupReports Group = "reports"
	GroupOut     Group = "out"
	GroupDue     Group = "due"
	GroupAttest  Group = "attest"
)

// Groups returns all groups.
func Groups() []Group { return []Group{GroupReports, GroupOut, GroupDue, GroupAttest} }

// Planned is one planned maintenance in the calendar of all machines.
type Planned struct {
	Machine policy.MachineID `json:"machine"`
	Due
}

// Overview is what the machines need, the worst first.
type Overview struct {
	Items    []Item             `json:"items"`
	Machines []policy.MachineID `json:"machines"` // all machines that the actor may see
	Calendar []Planned          `json:"calendar"` // planned maintenance with a known day, the first to be due first
}

// Progress is how far a member is towards a badge that is awarded for work.
type Progress struct {
	Badge    policy.BadgeID `json:"badge"`
	Counted  int            `json:"counted"`
	Needed   int            `json:"needed"`
	Days     int            `json:"days,omitempty"`
	Spread   int            `json:"spread,omitempty"` // number of different days that the rule requires; 0: any days
	Complete bool           `json:"complete"`
	Why      []policy.Text  `json:"-"` // reasons why interventions do not count
}

// Own is a member's own work as a maintainer.
type Own struct {
	Works    []Work // the newest first
	Attested int    // number of attested interventions
	Asked    int    // number of interventions for which an attestation was asked
	Progress []Progress
}
