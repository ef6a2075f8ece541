"""The systems in which agencies hold what they hold: real servers on loopback, one box that starts and stops them all.

Belongs here: servers, protocols, files on disk and everything that goes wrong between two machines.
Stays out: what is true (`province`), what an agency makes of it (`views`), the national systems (`national`).

postgres     databases of departments          lgsp          REST of the provincial platform
mariadb      databases of older systems        commune_rest  what the 99 communes deliver, with receipts
folders      files dropped into folders        xroad         SOAP of the X-Road message protocol 4.0
sftp         the same over SFTP                xml130        packages of health insurance, insurance their gateway
stations     files of measuring stations       box           all of it together

Beside them: `source` (what is asked of a view), `store` and `spool` (rows on disk), `web` (HTTP), `plan` (faults),
`record` (what was asked of a server), `process` (servers that are programs of their own).
"""
