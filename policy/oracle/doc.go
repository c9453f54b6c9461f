// Package oracle holds policy.Decide against an independent judge: github.com/cedar-policy/cedar-go, in a module of its
// own so that nothing of it reaches the daemon.
//
// Random policies are written in two languages, as a policy.Model and as Cedar, and random questions are put to both.
// What is compared is the verdict of each grant: allow, await (all but the supervisor), deny. Written in Cedar are
// needs with all and any, ages of badges, last use, hours logged, assurance, weekly hours, the clock and the rules that
// are passed over without it, supervisors and how many they answer for, quotas, bookings, the card and its state, the
// bundle's age, blocked members, memberships that lapse, faults and tags.
//
// What Cedar cannot say is worked out for it by other code than the one that is judged: which of several badges of a
// kind counts and how old it is, the minute of the week, and how many days a membership is over. Left out: dates and
// holidays in hours, mode warn, which grant is chosen, limits, and sentences.
package oracle
