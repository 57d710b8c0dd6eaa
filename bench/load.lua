-- wrk asks what stands in a file, over and over: `wrk … -s load.lua URL -- FILE GET|POST`, a path or a body (hex) a line.
local asked, place = {}, 0

function init(arguments)
    for line in io.lines(arguments[1]) do
        if arguments[2] == "GET" then
            asked[#asked + 1] = wrk.format("GET", line)
        else
            local body = line:gsub("..", function(digits) return string.char(tonumber(digits, 16)) end)
            asked[#asked + 1] = wrk.format("POST", "/ocsp", {["Content-Type"] = "application/ocsp-request"}, body)
        end
    end
end

function request()
    place = place % #asked + 1
    return asked[place]
end

function done(summary, latency)
    local faults = summary.errors
    io.write(string.format("MEASURED %d %d %d %d\n", summary.requests, summary.duration,
        faults.connect + faults.read + faults.write + faults.status + faults.timeout, latency:percentile(99)))
end
