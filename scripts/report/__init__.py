# SPDX-License-Identifier: MIT
"""closenotify-report: tells from closenotify's JSON log who truncates whom.

Invariants: memory is bounded whatever the log holds; no value of the log reaches a terminal, a page or a spreadsheet
as anything but text; a broken line is counted, never fatal. Each module uses only those above it:

schema   what a record must be, and what its words mean: from closenotify-record.schema.json
words    plain text of what is shown
reader   files, lines, records that the filters let pass
figures  counting, and the figures as one object
text     the figures as text
lanes    one connection, drawn
exports  CSV, Prometheus, OpenTelemetry
page     the page; page.css and page.js are put into it
command  options, and what is written where
"""
