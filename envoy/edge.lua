-- What the transcoder cannot do by itself: runs before it on the way in, after it on the way out.

local OF_GRPC = {"grpc-accept-encoding", "grpc-status", "grpc-message", "grpc-status-details-bin"}

local function of_grpc(headers)
  return (headers:get("content-type") or ""):sub(1, 16) == "application/grpc"
end

-- Paths are published with and without a trailing slash.
function envoy_on_request(handle)
  local headers = handle:headers()
  local path, query = headers:get(":path"):match("^([^?]*)(.*)$")
  local bare = path:match("^(.*[^/])/+$")
  if bare then
    headers:replace(":path", bare .. query)
  end
  if not of_grpc(headers) then  -- the worker would take it for a gRPC client's, and answer as to one
    headers:remove("grpc-timeout")
  end
end

-- gRPC has no status for 402, 422 or 424, and no body for an error. Our server says both to REST clients in metadata:
-- `x-http-status`, and `x-error-body` (the JSON, percent-encoded).
function envoy_on_response(handle)
  local headers = handle:headers()
  local status = headers:get("x-http-status")
  if status then
    headers:replace(":status", status)
    headers:remove("x-http-status")
    if status == "304" then  -- what the client has is of another length and type than nothing
      headers:remove("content-type")
      headers:remove("content-length")
    end
  end
  local encoded = headers:get("x-error-body")
  if encoded then
    local json = encoded:gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end)
    headers:remove("x-error-body")
    headers:replace("content-type", "application/json")
    handle:body(true):setBytes(json)
    headers = handle:headers()  -- reading a body yields, and what was held before that is void
    headers:replace("content-length", tostring(#json))
  end
  if not of_grpc(headers) then
    for _, name in ipairs(OF_GRPC) do
      headers:remove(name)
    end
  end
end
