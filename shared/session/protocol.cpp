#include "shared/session/protocol.h"

#include <cstring>

namespace egress {

Expected<Request> decode_request(std::span<const std::byte> bytes) {
  const auto bad = [](const char* why) {
    return fail(ErrorCode::kInvalidArgument, std::string("request refused: ") + why);
  };
  if (bytes.size() > kMaxRequestBytes) return fail(ErrorCode::kTooLarge, "request refused: larger than 64 KiB");
  RequestHeader header;
  if (bytes.size() < sizeof header) return bad("shorter than its header");
  std::memcpy(&header, bytes.data(), sizeof header);
  if (header.magic != kProtocolMagic) return bad("not an egress request");
  if (header.version != kProtocolVersion) return bad("another protocol version");
  if (header.kind < static_cast<std::uint16_t>(RequestKind::kHello) ||
      header.kind > static_cast<std::uint16_t>(RequestKind::kLaunch)) {
    return bad("unknown kind");
  }
  Request request;
  request.kind = static_cast<RequestKind>(header.kind);
  request.family = header.family;
  std::size_t offset = sizeof header;
  for (std::size_t i = 0; i < kHelloFieldCount; ++i) {
    const std::size_t size = header.field_bytes[i];
    if (size > kMaxFieldBytes) return fail(ErrorCode::kTooLarge, "request refused: a field is larger than 32 KiB");
    if (size > bytes.size() - offset) return bad("a field runs past the end");
    request.fields[i] = {reinterpret_cast<const char*>(bytes.data() + offset), size};
    if (request.fields[i].find('\0') != std::string_view::npos) return bad("a field holds a NUL byte");
    offset += size;
  }
  if (request.kind != RequestKind::kBind && header.address_count != 0) return bad("addresses where none belong");
  if (header.address_count > kMaxLookupAddresses)
    return fail(ErrorCode::kTooLarge, "request refused: more than 256 addresses");
  if (bytes.size() - offset != header.address_count * sizeof(Address))
    return bad("its size is not what its header says");
  request.addresses = bytes.subspan(offset);
  return request;
}

}  // namespace egress
