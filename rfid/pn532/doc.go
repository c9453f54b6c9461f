// Package pn532 reads 13.56 MHz cards (ISO/IEC 14443 type A) through an NXP PN532 on a serial line, I²C or SPI, and
// speaks to those that answer commands (ISO/IEC 14443-4), so that a card can prove a key.
//
// It accepts numbers of 4, 7 and 10 bytes, one card at a time. It refuses, as no card: answers that do not fit the
// manual, several cards at once, and numbers of four bytes that begin with 08, which a telephone or a bank card makes
// up anew each time (ISO/IEC 14443-3, 6.4.4). A chip that is silent, answers another command than the one it was given,
// or says that it does not know a command, is forgiven twice in a row; then it is an error: close it and open another.
//
// Every wait is bounded. A command that is given up is aborted (an ACK from the host), and an answer that comes later
// is thrown away.
//
// Section numbers with no document are those of NXP's user manual UM0701-02, Rev. 02.
package pn532
