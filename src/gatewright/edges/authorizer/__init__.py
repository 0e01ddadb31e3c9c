"""The authorizer: a process beside httpd that judges bearer tokens, and the supervisor's side of it."""
