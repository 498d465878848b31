"""One line of each of many programs that write beside the application; each begins a record."""

from __future__ import annotations

LINES = r"""
INFO:     127.0.0.1:50204 - "GET / HTTP/1.1" 200 OK
WARNING:  Invalid HTTP request received.
[2026-11-27 01:02:03 +0000] [7] [INFO] Booting worker with pid: 7
127.0.0.1 - - [27/Nov/2026:01:02:03 +0000] "GET / HTTP/1.1" 200 12 "-" "curl/8"
::1 - alice [27/Nov/2026:01:02:03 +0000] "POST /x HTTP/2" 201 12
example.org:443 10.0.0.1 - - [27/Nov/2026:01:02:03 +0000] "GET / HTTP/1.1" 200 5
10.0.0.1:50204 - "GET / HTTP/1.1" 200
GET /health 200 3 ms
2026-11-27 01:02:03.456 | INFO     | app.main:run:12 - started
[27/Nov/2026 01:02:03] "GET / HTTP/1.1" 200 12
INFO:root:started
[INFO] started
[info] started
[ INFO ] started
[W] started
<INFO> started
[ERROR/ForkPoolWorker-1] started
[I 2026-11-27 01:02:03.123 ServerApp] started
[I 261127 01:02:03 web:2064] 200 GET / (::1) 1.00ms
I1127 01:02:03.123456      12 server.go:12] started
Nov 27 01:02:03 node app[12]: started
<34>Nov  7 01:02:03 node app: started
<34>1 2026-11-27T01:02:03Z node app 12 - - started
2026-11-27T01:02:03.456789Z started
2026-11-27T01:02:03+02:00 node started
20261127T010203Z started
2026/11/27 01:02:03 started
2026/11/27 01:02:03 [error] 12#12: *3 open() failed
11/27/2026 01:02:03 AM started
27.11.2026 01:02:03 started
27-Nov-2026 01:02:03.123 INFO [main] started
12:M 27 Nov 2026 01:02:03.456 * Ready to accept connections
Nov 27, 2026 1:02:03 AM org.apache.Main main
Fri Nov 27 01:02:03 2026 started
Fri, 27 Nov 2026 01:02:03 +0000 started
01:02:03 started
01:02:03.123 [main] INFO  app - started
261127-02:14:07,963 nipype.workflow INFO:
1795600000.25 started
1795600000250 started
[1795600000.25] started
[    1.234567] usb 1-1: new device
level=info msg=started
time="2026-11-27T01:02:03Z" level=info msg=started
ts=1795600000.25 caller=main.go:1 msg=started
ERROR started
ERROR - started
WARN  [main] started
INFO[0000] started
INFO|app|started
info: started
{"message": "started"}
{"log":"started\n","stream":"stdout","time":"2026-11-27T01:02:03Z"}
app.main - INFO - started
app.main INFO started
MainThread [ERROR] started
web-1  | started
* INFO started
2026-11-27 01:02:03,123 [main] INFO  org.x.Main - started
11-27 01:02:03.123  1000  1000 I tag: started
27/11 01:02:03 started
27 Nov 01:02:03 started
2026 Nov 27 01:02:03 started
Nov-27 01:02:03.123 [main] INFO  nextflow.cli.CmdRun - started
I1127 01:02:03.963 started
[1127/010203.963:ERROR:x.cc(12)] started
[11/27/26 01:02:03] INFO     started     x.py:12
[INF] started
[01:02:03 WRN] started
E, [2026-11-27T01:02:03.123456 #12] ERROR -- : started
D 01:02:03 started
I/ActivityManager(  123): started
<6>started
@400000005f0e5d2c1f3b2a1c started
2026-331T01:02:03Z started
[000012.345] started
slurmstepd: error: *** JOB 12 ON node CANCELLED AT 2026-11-27T01:02:03 ***
dask-scheduler: 2026-11-27 01:02:03,123 started
LOG:  database system is ready
logger=x t=2026-11-27T01:02:03Z level=info
caller=x level=info msg="started now"
 50%|#####     | 5/10
""".strip("\n").split("\n")
LINES[-1] = "\r 40%|####      | 4/10\r" + LINES[-1]
