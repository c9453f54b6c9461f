// Package pn532 reads 13.56 MHz cards (ISO/IEC 14443 type A) through an NXP PN532 on a serial line, I²C or SPI. The
// package exchanges commands with cards that support ISO/IEC 14443-4, so that a card can prove that it holds a key.
//
// The package accepts numbers of 4, 7 and 10 bytes, one card at a time. It reports no card for answers that do not
// match the manual, for several cards at once, and for random numbers: four bytes that begin with 08, which telephones
// and bank cards send (ISO/IEC 14443-3, 6.4.4). The chip may fail twice in a row, by not answering, by answering
// another command, or by reporting an unknown command. The third failure is an error: the caller must close the device
// and open it again.
//
// Each wait has a time limit. After a timeout the command is aborted (an ACK from the host), and a late answer is
// discarded.
//
// Section numbers without a document refer to NXP's user manual UM0701-02, Rev. 02.
package pn532
