package panel

// Action is the action of a touch, an offered button or a form. The zero Action does nothing.
type Action string

// These actions need only a touch.
const (
	TakeRole   Action = "role"      // change to another role; Arg is the role
	Extend     Action = "extend"    // make the session longer
	PowerOff   Action = "power-off" // open the relay during a maintenance
	Untag      Action = "untag"     // remove a tag; Arg is the tag
	Vouch      Action = "vouch"     // Items: the skills that the learner showed
	Confirm    Action = "confirm"   // Arg: the form sent from a phone
	Deny       Action = "deny"      // Arg: the form sent from a phone
	Attest     Action = "attest"    // endorse an intervention; Arg is its id
	Decline    Action = "decline"   // decline to endorse; Arg is the intervention's id
	OpenLog    Action = "log"       // opens the form for an intervention
	OpenReport Action = "report"    // opens the form for a problem
	OpenTag    Action = "tag"       // opens the form that puts the machine out of service
)
