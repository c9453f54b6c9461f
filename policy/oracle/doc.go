// Package oracle compares policy.Decide with an independent evaluator, github.com/cedar-policy/cedar-go. The package is
// a separate module, so that the daemon does not depend on Cedar.
//
// Random policies are written in two languages, as a policy.Model and as Cedar, and both evaluators get the same random
// questions. The verdict of each grant is compared: allow, await (everything but the supervisor), deny. These rules are
// written in Cedar: needs with all and any, ages of badges, last use, hours logged, assurance, weekly hours, the clock
// and the rules that are ignored without it, supervisors and how many people they supervise, quotas, bookings, the card
// and its state, the bundle's age, blocked members, memberships that lapse, faults and tags.
//
// For what Cedar cannot express, the test computes inputs with separate code: which of several badges of a kind counts
// and how old it is, the minute of the week, and the number of days since a membership ended. Not compared are dates
// and holidays in hours, mode warn, which grant is chosen, limits, and sentences.
package oracle
