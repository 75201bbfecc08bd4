-- A wrk script that sends a list of presigned S3 requests in turn.
--
--   wrk ... -s presigned.lua URL -- METHOD HOST PATHS [PAD STAMP]
--
-- PATHS names a file with one request target (path and signed query) a line.
-- With PAD (a file of random bytes) every request carries a body: a 16-character
-- serial number, STAMP, and then as much of PAD as makes up SIZE bytes. No two
-- bodies are therefore alike, so a server that stores equal blocks once gains
-- nothing by it.
--
-- `done` prints one line, «RESULT {json}», that the benchmark reads. It holds
-- wrk's own error counters: `status` counts answers above 399; wrk follows no
-- redirects, and the benchmark's preflight rules out a 3xx.

local SIZE = 4096

local heads, count, turn, sent = {}, 0, -1, 0
local pad, stamp

function init(args)
   local method, host, paths = args[1], args[2], args[3]
   local tail = "\r\nHost: " .. host .. "\r\n"
   if args[4] then
      stamp = args[5]
      local file = assert(io.open(args[4], "rb"))
      pad = file:read(SIZE - 16 - #stamp)
      file:close()
      tail = tail .. "Content-Length: " .. SIZE .. "\r\n"
   end
   for line in io.lines(paths) do
      count = count + 1
      heads[count] = method .. " " .. line .. " HTTP/1.1" .. tail .. "\r\n"
   end
end

-- wrk calls this once before the run, only to look at what it would send: hence
-- the -1 above, which makes the first target sent the first of the list.
function request()
   turn = turn + 1
   local head = heads[math.max(turn - 1, 0) % count + 1]
   if not pad then
      return head
   end
   sent = sent + 1
   return head .. string.format("%016d", sent) .. stamp .. pad
end

function done(summary, latency, _)
   local e = summary.errors
   io.write(string.format(
      'RESULT {"requests":%d,"bytes":%d,"micros":%d,"p50":%d,"p99":%d,"max":%d,'
         .. '"connect":%d,"read":%d,"write":%d,"status":%d,"timeout":%d}\n',
      summary.requests, summary.bytes, summary.duration,
      latency:percentile(50), latency:percentile(99), latency.max,
      e.connect, e.read, e.write, e.status, e.timeout
   ))
end
