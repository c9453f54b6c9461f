// Package oracle compares policy.Decide with an independent evaluator, github.com/cedar-policy/cedar-go. The package is
// a separate module, so that the daemon does not depend on Cedar.
//
// The tests write random policies in two languages, as a policy.Model and as Cedar, and both evaluators get the same
// random questions. The tests compare the verdict of each grant: allow, await (only the supervisor is missing), or
// deny. The Cedar policies contain these rules: needs with all and any, ages of badges, last use, hours logged,
// assurance, weekly hours, the clock and the rules that are ignored without it, supervisors and how many people they
// supervise, quotas, bookings, the card and its state, the bundle's age, blocked members, memberships that lapse,
// faults and tags.
//
// For facts that Cedar cannot compute, the test computes inputs with separate code: which of several badges of a kind
// counts and how old it is, the minute of the week, and the number of days since a membership ended. The tests do not
// compare dates and holidays in hours, mode warn, the choice of the grant, limits, and sentences.
package oracle
