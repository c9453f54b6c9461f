// Package analysis answers questions about a whole policy, while package policy answers one tap. The questions are: who
// may use a machine (Who, Rights), what members gain and lose by a change of policy (Compare, CompareMembers,
// Uncompared), whether a rule under never: can be broken (Breaches), which rules are probably mistakes (Warnings),
// whether a policy obeys the laws that every policy must obey (Prove), and what another policy would have answered in
// the past (Replay).
//
// Every answer comes from policy.Decide. The package lists the cases that a policy distinguishes and decides each case.
// A case is a level in each of several chains at a time slot. The chain of a badge has the levels not held, held and
// old, held and fresh. The chain of a quota has the levels unused and used up. A time slot represents all moments at
// which the rules on time give the same answer. For a machine with more than maxCases cases, the package returns a
// *Flaw and no partial result.
//
// The hub and the command line import this package. The daemon does not import it.
package analysis
