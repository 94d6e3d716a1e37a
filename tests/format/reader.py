#!/usr/bin/env python3
"""Reads what ecsdb writes from docs/format alone, and prints every value in it.

    reader.py DIRECTORY              a database
    reader.py --archive DIRECTORY    the newest state in an archive
    reader.py --state FILE DELTA...  a state in bytes, and the saved deltas that follow it
    reader.py --pecs FILE
    reader.py --native FILE
    reader.py --json FILE            what it says of itself, and how many entities there are

Of a state one line for the version, one for every freed index, every living entity, every row (packed, in hexadecimal) and every text or blob. Of
PECS and native one for every entity, by its stable id, and for every row. It shares no code with the library: where the two disagree, one of them
or the documentation is wrong. Only the standard library is needed, and libzstd or the zstd command where something is compressed.
"""

import ctypes
import ctypes.util
import json
import os
import re
import struct
import subprocess
import sys

# Checksums (log.md) ----------------------------------------------------------------------------------------------------------------------


def make_table():
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
        table.append(crc)
    return table


CRC_TABLE = make_table()


def crc32c(data, seed=0):
    crc = seed ^ 0xFFFFFFFF
    for byte in data:
        crc = (crc >> 8) ^ CRC_TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def mask(crc):
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


class Damage(Exception):
    pass


def check(holds, what):
    if not holds:
        raise Damage(what)


def unpack_zstd(packed, size):
    name = ctypes.util.find_library("zstd")
    if name:
        library = ctypes.CDLL(name)
        library.ZSTD_decompress.restype = ctypes.c_size_t
        out = ctypes.create_string_buffer(size)
        got = library.ZSTD_decompress(out, ctypes.c_size_t(size), packed, ctypes.c_size_t(len(packed)))
        check(got == size, "a packed block does not unpack")
        return out.raw
    out = subprocess.run(["zstd", "-dc"], input=packed, stdout=subprocess.PIPE, check=True).stdout
    check(len(out) == size, "a packed block does not unpack")
    return out


class Bytes:
    """A cursor over bytes."""

    def __init__(self, data):
        self.data = data
        self.at = 0

    def left(self):
        return len(self.data) - self.at

    def take(self, count):
        check(count <= self.left(), "a length reaches beyond its container")
        self.at += count
        return self.data[self.at - count : self.at]

    def number(self, size):
        return int.from_bytes(self.take(size), "little")

    def u8(self):
        return self.number(1)

    def u16(self):
        return self.number(2)

    def u32(self):
        return self.number(4)

    def u64(self):
        return self.number(8)

    def varint(self):
        value = 0
        for shift in range(0, 70, 7):
            byte = self.u8()
            value |= (byte & 0x7F) << shift
            if not byte & 0x80:
                return value
        raise Damage("a varint has more than ten bytes")

    def zigzag(self):
        value = self.varint()
        return (value >> 1) ^ -(value & 1)

    def text(self):
        return self.take(self.varint()).decode("utf-8")


# Schema (schema.md) -----------------------------------------------------------------------------------------------------------------------

SIZES = {1: 1, 2: 2, 3: 4, 4: 8, 5: 1, 6: 2, 7: 4, 8: 8, 9: 4, 10: 8, 11: 1, 12: 8}


class Field:
    def __init__(self):
        self.size = 0  # packed, without the presence byte
        self.presence = False
        self.content = False

    def packed(self):
        return self.size + (1 if self.presence else 0)


class Schema:
    def __init__(self, data):
        read = Bytes(data)
        check(read.take(4) == b"ECSS", "not a schema")
        check(read.u32() in (1, 2), "a schema of another format")
        self.hash = read.u64()
        self.name = read.text()
        self.version = read.text()
        read.text()  # names of an entity's id and version
        read.text()
        self.enums = []
        for _ in range(read.varint()):
            read.text()
            self.enums.append(read.u8())
            for _ in range(read.varint()):
                read.text()
                read.zigzag()
        self.structs = []
        for _ in range(read.varint()):
            read.text()
            self.structs.append(sum(field.packed() for field in self.fields(read)))
        self.tables = []
        for _ in range(read.varint()):
            table = {"name": read.text(), "version": read.varint(), "flags": read.u8(), "sparse": read.u8() == 1, "persist": read.u8()}
            read.varint()
            read.text()
            read.text()
            table["fields"] = self.fields(read)
            table["size"] = sum(field.packed() for field in table["fields"])
            self.tables.append(table)

    def constant(self, read):
        kind = read.u8()
        if kind == 1:
            read.u8()
        elif kind == 2:
            read.zigzag()
        elif kind == 3:
            read.varint()
        elif kind == 4:
            read.take(8)
        elif kind == 5:
            read.text()
        else:
            check(kind == 0, "a constant of unknown kind")

    def fields(self, read):
        fields = []
        for _ in range(read.varint()):
            field = Field()
            read.text()
            kind = read.u8()
            flags = read.u8()
            extents = [read.varint() for _ in range(read.varint())]
            capacity = read.varint() if kind in (13, 16, 17) else 0
            which = read.varint() if kind in (14, 15) else 0
            for _ in range(3):
                self.constant(read)
            if flags & 32:
                read.text()
                read.text()
                read.u8()
            if kind in SIZES:
                field.size = SIZES[kind]
            elif kind == 13:
                field.size = 2 + capacity
            elif kind == 14:
                field.size = SIZES[self.enums[which]]
            elif kind == 15:
                field.size = self.structs[which]
            else:
                check(kind in (16, 17), "a field of unknown type")
                field.content = True
            for extent in extents:
                field.size *= extent
            field.presence = bool(flags & 1) and kind != 12
            fields.append(field)
        return fields


# Manifest (manifest.md) -------------------------------------------------------------------------------------------------------------------


def read_file(*path):
    with open(os.path.join(*path), "rb") as file:
        return file.read()


def read_manifest(directory):
    data = read_file(directory, "MANIFEST")
    read = Bytes(data)
    check(read.take(8) == b"ECSDBMAN", "not a manifest")
    stored = read.u32()
    version = read.u32()
    check(read.u64() == len(data), "the manifest has another size than it says")
    check(stored == mask(crc32c(data[12:])), "the manifest's checksum differs")
    check(version in (1, 2), "a manifest of another format")
    manifest = {"uuid": read.take(16), "epoch": read.u32(), "shard": read.u32(), "boot": read.take(16), "flags": read.u64()}
    for name in ("durable", "first_needed", "newest", "archive", "schema_hash", "mark", "time"):
        manifest[name] = read.u64()

    def snapshot():
        described = {"lsn": read.u64(), "size": read.u64(), "crc": read.u32()}
        described["name"] = read.take(read.u32()).decode("utf-8")
        return described

    for name in ("snapshot", "previous"):
        manifest[name] = snapshot()
    manifest["schema"] = Schema(read.take(read.u32()))
    for name in ("snapshot_bases", "previous_bases"):
        manifest[name] = [snapshot() for _ in range(read.u32())] if version == 2 else []
    check(read.left() == 0, "there is something behind the schema")
    check(manifest["schema"].hash == manifest["schema_hash"], "the manifest's schema is another one")
    return manifest


# The state ---------------------------------------------------------------------------------------------------------------------------------


class State:
    def __init__(self, schema):
        self.schema = schema
        self.version = 0
        self.living = {}  # index -> generation
        self.freed = {}
        self.rows = [{} for _ in schema.tables]  # index -> bytearray
        self.contents = {}  # (table, field, index) -> bytes

    def end(self, index, generation):
        self.living.pop(index, None)
        self.freed[index] = generation
        for table in range(len(self.rows)):
            self.remove(table, index)

    def begin(self, index, generation):
        self.freed.pop(index, None)
        self.living[index] = generation

    def remove(self, table, index):
        self.rows[table].pop(index, None)
        for field in range(len(self.schema.tables[table]["fields"])):
            self.contents.pop((table, field, index), None)

    def dump(self, out):
        out.write("version %d\n" % self.version)
        for index in sorted(self.freed):
            out.write("freed %d %d\n" % (index, self.freed[index]))
        for index in sorted(self.living):
            out.write("entity %d %d\n" % (index, self.living[index]))
            for table, rows in enumerate(self.rows):
                if index in rows:
                    out.write("row %s %s\n" % (self.schema.tables[table]["name"], bytes(rows[index]).hex()))
                    for field in range(len(self.schema.tables[table]["fields"])):
                        content = self.contents.get((table, field, index))
                        if content:
                            out.write("content %d %s\n" % (field, content.hex()))


# Snapshot (snapshot.md) --------------------------------------------------------------------------------------------------------------------


def read_numbers(read, count):
    form = read.u8()
    numbers = []
    if form == 0:
        numbers = [read.u32() for _ in range(count)]
    elif form == 1:
        end = 0
        while len(numbers) < count:
            first = end + read.zigzag()
            length = read.varint() + 1
            numbers.extend(range(first, first + length))
            end = first + length
    elif form == 2:
        while len(numbers) < count:
            number = read.varint()
            numbers.extend([number] * (read.varint() + 1))
    else:
        check(form == 3, "numbers of an unknown form")
        numbers = [read.u8() for _ in range(count)]
    check(len(numbers) == count, "too many numbers")
    return numbers


def read_runs(read, count):
    runs = []
    end = 0
    for _ in range(count):
        first = end + read.varint()
        end = first + read.varint() + 1
        runs.append((first, end))
    return runs


class Saved:
    """What a snapshot, and those that build on it, hold."""

    def __init__(self, schema):
        self.schema = schema
        self.archetypes = {}  # number -> {"tables", "members": [(index, generation)], "rows": {table: [bytes]}}
        self.sparse = [{} for _ in schema.tables]
        self.freed = {}
        self.contents = {}
        self.parts = {}

    def replace(self, kind, table, field, runs):
        def gone(index):
            return any(first <= index < end for first, end in runs)

        if kind == 4:
            self.sparse[table] = {index: row for index, row in self.sparse[table].items() if not gone(index)}
        elif kind == 5:
            self.freed = {index: generation for index, generation in self.freed.items() if not gone(index)}
        else:
            check(kind == 8, "something of an unknown kind was replaced")
            self.contents = {key: value for key, value in self.contents.items() if key[:2] != (table, field) or not gone(key[2])}

    def take(self, kind, table, number, first, rows, block):
        size = self.schema.tables[table]["size"]
        if kind == 1:
            tables = [block.u16() for _ in range(block.left() // 2)]
            archetype = self.archetypes.setdefault(number, {"tables": tables, "members": [], "rows": {}})
            archetype["tables"] = tables or archetype["tables"]
            for column in [archetype["members"]] + list(archetype["rows"].values()):
                del column[rows:]
                column.extend([None] * (rows - len(column)))
        elif kind in (2, 3, 10, 11):
            archetype = self.archetypes[number]
            count = len(archetype["members"])
            runs = read_runs(block, block.varint()) if kind >= 10 else [(first, first + rows)]
            places = [row for begin, end in runs for row in range(begin, end)]
            check(len(places) == rows and places[0] == first and places[-1] < count, "rows in no place of theirs")
            if kind in (2, 10):
                indices = read_numbers(block, rows)
                for place, member in zip(places, zip(indices, read_numbers(block, rows))):
                    archetype["members"][place] = member
            else:
                column = archetype["rows"].setdefault(table, [None] * count)
                for place in places:
                    column[place] = bytearray(block.take(size))
        elif kind == 4:
            for entity in read_numbers(block, rows):
                self.sparse[table][entity] = bytearray(block.take(size))
        elif kind == 5:
            indices = read_numbers(block, rows)
            self.freed.update(zip(indices, read_numbers(block, rows)))
        elif kind == 6:
            block.u64()
            read_numbers(block, rows)
        elif kind == 8:
            entity = 0
            for _ in range(rows):
                entity += block.varint()
                self.contents[(table, first, entity)] = block.take(block.varint())
        elif kind == 9:
            entity, length, offset = block.varint(), block.varint(), block.varint()
            part = self.parts.setdefault((table, first, entity), bytearray())
            check(offset == len(part), "parts of a content out of order")
            part += block.take(block.left())
            if len(part) == length:
                self.contents[(table, first, entity)] = bytes(self.parts.pop((table, first, entity)))
        elif kind == 12:
            self.replace(number, table, first, read_runs(block, rows))
        elif kind == 13:
            block.u64()
            read_numbers(block, rows)
            read_numbers(block, rows)
        else:
            check(kind >= 128, "a block of unknown kind")
            block.take(block.left())

    def rows_there(self):
        return sum(map(len, self.sparse)) + sum(len(rows) for archetype in self.archetypes.values() for rows in archetype["rows"].values())

    def entities_there(self):
        return sum(len(archetype["members"]) for archetype in self.archetypes.values())

    def put_into(self, state):
        for archetype in self.archetypes.values():
            for row, (entity, generation) in enumerate(archetype["members"]):
                state.begin(entity, generation)
                for table in archetype["tables"]:
                    has_rows = self.schema.tables[table]["fields"]
                    state.rows[table][entity] = archetype["rows"][table][row] if has_rows else bytearray()
        for table, rows in enumerate(self.sparse):
            state.rows[table].update(rows)
        state.freed.update(self.freed)
        state.contents.update(self.contents)


def schema_in(snapshot):
    """The schema of a full snapshot that stands alone, and whose it is."""
    check(snapshot[:8] == b"ECSDBSNP", "not a snapshot")
    size = struct.unpack_from("<I", snapshot, 72)[0]
    return Schema(snapshot[128 : 128 + size]), {"uuid": snapshot[16:32], "shard": struct.unpack_from("<I", snapshot, 36)[0]}


def read_alone(snapshot):
    schema, manifest = schema_in(snapshot)
    saved = Saved(schema)
    state = State(schema)
    state.version = struct.unpack_from("<Q", snapshot, 40)[0]
    read_snapshot(snapshot, {"size": len(snapshot), "crc": crc32c(snapshot), "lsn": state.version}, None, manifest, saved)
    saved.put_into(state)
    return state, manifest


def read_snapshot(data, named, base, manifest, saved):
    check(len(data) == named["size"] and crc32c(data) == named["crc"], "the snapshot is not the one that the manifest names")
    check(data[:8] == b"ECSDBSNP", "not a snapshot")
    check(struct.unpack_from("<I", data, 8)[0] == mask(crc32c(data[12:128])), "the snapshot header's checksum differs")
    read = Bytes(data)
    read.take(12)
    check(read.u16() == (1 if base is None else 2), "a snapshot of another format")
    read.u16()
    check(read.take(16) == manifest["uuid"], "a snapshot of another database")
    read.u32()
    check(read.u32() == manifest["shard"], "a snapshot of another shard")
    version = read.u64()
    read.take(16)
    check(read.u64() == saved.schema.hash, "a snapshot of another schema")
    schema_size = read.u32()
    schema_crc = read.u32()
    if base is not None:
        check((read.u64(), read.u64(), read.u32()) == (base["lsn"], base["size"], base["crc"]), "the snapshot builds on another one")
    schema = data[128 : 128 + schema_size]
    check(mask(crc32c(schema)) == schema_crc, "the snapshot's schema is damaged")
    at = 128 + schema_size
    crc = crc32c(data[:at])
    footer = Bytes(data[-64:])
    counted = {"lsn": footer.u64(), "entities": footer.u64(), "freed": footer.u64(), "rows": footer.u64(), "blocks": footer.u64()}
    index_offset = footer.u64()
    check(footer.take(8) == b"ECSDBEND" and counted["lsn"] == version == named["lsn"], "the snapshot's footer")
    blocks = freed = 0
    first_index = None
    index = stored_index = b""
    while at < len(data) - 64:
        kind, codec, table, number, first, rows, raw_size, stored_size = struct.unpack_from("<BBHIIIII", data, at)
        end = at + 24 + stored_size
        crc = crc32c(data[at:end], crc)
        check(struct.unpack_from("<I", data, end)[0] == mask(crc), "a block's checksum differs")
        crc = crc32c(data[end : end + 4], crc)
        content = data[at + 24 : end]
        check(codec < 3, "a block packed in an unknown way")
        if codec != 0:
            content = unpack_zstd(content, raw_size)
        if codec == 2:
            content = b"".join(bytes(content[row::rows]) for row in range(rows))
        check(len(content) == raw_size, "a block's size")
        block = Bytes(content)
        freed += rows if kind == 5 else 0
        if kind == 7:
            first_index = first_index or at
            stored_index += block.take(block.left())
        else:
            index += struct.pack("<QBBHIII", at, kind, 0, table, number, first, rows)
            saved.take(kind, table, number, first, rows, block)
        check(block.left() == 0, "a block of kind %d has something behind its content" % kind)
        blocks += 1
        at = end + 4
    check(struct.unpack_from("<I", data, len(data) - 4)[0] == mask(crc32c(data[-64:-4], crc)), "the whole file's checksum differs")
    check(not saved.parts and index == stored_index and index_offset == (first_index or len(data) - 64), "the index contradicts the blocks")
    check(blocks == counted["blocks"] and saved.rows_there() == counted["rows"], "the footer counts other blocks or rows")
    check(saved.entities_there() == counted["entities"] and freed == counted["freed"], "the footer counts other entities")


def read_snapshots(directory, manifest, state):
    saved = Saved(state.schema)
    base = None
    for named in manifest["snapshot_bases"] + [manifest["snapshot"]]:
        read_snapshot(read_file(directory, named["name"]), named, base, manifest, saved)
        base = named
    state.version = base["lsn"]
    saved.put_into(state)


# Delta (delta.md) ---------------------------------------------------------------------------------------------------------------------------


def read_ids(read, form, count):
    if form == 0:
        first = read.varint()
        return list(range(first, first + count))
    if form == 1:
        ids = [read.varint()]
        while len(ids) < count:
            ids.append(ids[-1] + 1 + read.varint())
        return ids
    if form == 2:
        ids = []
        while len(ids) < count:
            first = read.varint() + (ids[-1] + 1 + 1 if ids else 0)
            ids.extend(range(first, first + read.varint() + 1))
        return ids
    ids = [read.varint()]
    while len(ids) < count:
        ids.append(ids[-1] + read.zigzag())
    return ids


def apply_entities(read, state, absolute):
    def ranges(count):
        end = 0
        number = 0
        while read.left() if count is None else number < count:
            first = end + read.varint()
            length = read.varint() + 1
            generation = read.varint()
            for entity in range(first, first + length):
                yield entity, generation
            end = first + length
            number += 1

    for entity, generation in ranges(read.varint()):
        state.end(entity, generation)
        if absolute and generation == 0:
            del state.freed[entity]
    for entity, generation in ranges(None):
        if absolute:
            state.end(entity, generation)
        state.begin(entity, generation)


def apply_rows(read, state, table):
    fields = state.schema.tables[table]["fields"]
    while read.left():
        head = read.varint()
        kind, form, tail, count = head & 3, (head >> 2) & 3, (head >> 4) & 1, (head >> 5) + 1
        masked = range(len(fields))
        if kind == 2:
            bits, byte = [], 0
            while True:
                bits_of = read.u8()
                bits.extend(byte * 7 + bit for bit in range(7) if bits_of >> bit & 1)
                byte += 1
                if not bits_of & 0x80:
                    break
            masked = bits
        stride = read.varint() if kind != 0 and not tail else None
        ids = read_ids(read, form, count)
        if kind == 0:
            for entity in ids:
                state.remove(table, entity)
            continue
        expected = sum(fields[field].packed() for field in masked)
        check(expected == (read.left() // count if stride is None else stride), "a stride that the schema contradicts")
        for entity in ids:
            if kind == 1:
                state.remove(table, entity)
                state.rows[table][entity] = bytearray(read.take(expected))
                continue
            row = state.rows[table][entity]
            for field in masked:
                offset = sum(before.packed() for before in fields[:field])
                row[offset : offset + fields[field].packed()] = read.take(fields[field].packed())


def apply_contents(read, state, table):
    entity = 0
    while read.left():
        entity += read.varint()
        field = read.varint()
        content = read.take(read.varint())
        state.contents[(table, field, entity)] = content


def apply_delta(data, state):
    read = Bytes(data)
    check(read.u8() == 1, "a delta of another version")
    flags = read.u8()
    check(not flags & 0x80, "a delta with unknown flags")
    check(flags & 0x41 != 0x41, "an absolute delta that is counted")
    start = read.varint()
    end = start + read.varint()
    if end <= state.version:
        return
    check(start == state.version, "a gap before the delta from version %d" % start)
    if flags & 4:
        read.u64()
    if flags & 8:
        read.varint()
    if flags & 16:
        for _ in range(3):
            read.varint()
    if flags & 32:
        read.take(read.varint())
    while read.left():
        kind = read.u8()
        identity = read.varint()
        body = Bytes(read.take(read.varint()))
        if kind == 1:
            apply_entities(body, state, flags & 64 != 0)
        elif kind in (2, 3):
            apply_rows(body, state, identity)
        elif kind == 5:
            apply_contents(body, state, identity)
        else:
            check(kind == 4 or kind >= 128, "a section of unknown kind")
    state.version = end


# Log (log.md) -------------------------------------------------------------------------------------------------------------------------------


def segment_name(number):
    return "%010d.seg" % number


def read_segment(data, number, manifest):
    check(data[:8] == b"ECSDBLOG", "not a segment")
    check(struct.unpack_from("<I", data, 8)[0] == mask(crc32c(data[12:4096])), "the segment header's checksum differs")
    read = Bytes(data)
    read.take(12)
    check(read.u16() == 1, "a log of another format")
    read.u16()
    check(read.take(16) == manifest["uuid"], "a segment of another database")
    segment = {"data": data, "number": number, "epoch": read.u32()}
    read.u32()
    check(read.u64() == number, "the file holds another segment")
    segment["first"] = read.u64()
    segment["salt"] = read.take(8)
    segment["previous"] = {"segment": read.u64(), "offset": read.u64(), "lsn": read.u64(), "running": read.u32(), "epoch": read.u32()}
    check(segment["first"] == segment["previous"]["lsn"] + 1, "the segment header contradicts itself")
    segment["running"] = struct.unpack_from("<I", data, 8)[0]
    return segment


def frame_at(segment, offset, limit):
    data = segment["data"]
    if offset + 40 > limit:
        return None
    length, crc, lsn, durable, _, epoch, kind, flags = struct.unpack_from("<IIQQQIHH", data, offset)
    size = (40 + length + 7) // 8 * 8
    if size > 16 << 20 or offset + size > limit or epoch != segment["epoch"]:
        return None
    if crc != mask(crc32c(segment["salt"] + data[offset : offset + 4] + data[offset + 8 : offset + size])):
        return None
    return {"lsn": lsn, "kind": kind, "flags": flags, "size": size, "crc": crc, "payload": data[offset + 40 : offset + 40 + length]}


def read_log(directory, manifest, state):
    log = os.path.join(directory, "log")
    names = os.listdir(log) if os.path.isdir(log) else []
    numbers = sorted(int(name[:-4]) for name in names if name.endswith(".seg") and name[:-4].isdigit())
    numbers = [number for number in numbers if number >= manifest["first_needed"]]
    check(not manifest["newest"] or (numbers and numbers[-1] >= manifest["newest"]), "the newest segment is missing")
    chain = []
    number = numbers[-1] if numbers else 0
    while number != 0 and number >= manifest["first_needed"]:
        chain.insert(0, read_segment(read_file(log, segment_name(number)), number, manifest))
        number = chain[0]["previous"]["segment"]
    last, closed = replay(chain, state)
    check(closed or not manifest["flags"] & 1 or not chain, "the log does not end with a clean close")
    check(last >= manifest["durable"], "the log ends with %d, but %d was durable" % (last, manifest["durable"]))


def replay(chain, state):
    """Applies the transactions of segments that follow each other; the last LSN, and whether the last one was closed in order."""
    last = chain[0]["previous"]["lsn"] if chain else state.version
    check(last <= state.version, "the log begins after the snapshot ends")
    parts = []
    closed = False
    for position, segment in enumerate(chain):
        successor = chain[position + 1] if position + 1 < len(chain) else None
        limit = successor["previous"]["offset"] if successor else len(segment["data"])
        offset = 4096
        running = segment["running"]
        closed = False
        while offset < limit and not closed:
            frame = frame_at(segment, offset, limit)
            if frame is None:
                check(successor is None, "segment %d: offset %d: no valid frame" % (segment["number"], offset))
                break
            running = crc32c(struct.pack("<I", frame["crc"]), running)
            kind = frame["kind"]
            check(frame["lsn"] == (last + 1 if kind in (1, 2, 6) else last), "a frame out of order")
            deltas = []
            versions = 1
            if kind == 1:
                read = Bytes(frame["payload"])
                while read.left():
                    deltas.append(read.take(read.varint()))
            elif kind in (2, 6):
                part, count = struct.unpack_from("<II", frame["payload"])
                check(part == len(parts) and part < count, "parts out of order")
                versions = struct.unpack_from("<Q", frame["payload"], 8)[0] if kind == 6 else 1
                parts.append(frame["payload"][16 if kind == 6 else 8 :])
                if frame["flags"] & 2:
                    check(len(parts) == count, "parts are missing")
                    deltas.append(b"".join(parts))
                    parts = []
            elif kind == 5:
                closed = True
            else:
                check(kind in (3, 4) or kind & 0x80, "a frame of unknown type")
            for delta in deltas:
                last += versions
                if last > state.version:
                    apply_delta(delta, state)
                    check(state.version == last, "transaction %d leads to version %d" % (last, state.version))
            offset += frame["size"]
        if successor:
            stated = successor["previous"]
            check(stated["segment"] == segment["number"] and stated["offset"] == offset and stated["lsn"] == last and stated["running"] == running
                  and stated["epoch"] == segment["epoch"], "segment %d does not continue the one before it" % successor["number"])
    return last, closed


def read_database(directory):
    manifest = read_manifest(directory)
    state = State(manifest["schema"])
    if manifest["snapshot"]["name"]:
        read_snapshots(directory, manifest, state)
    read_log(directory, manifest, state)
    return state


# Archive (archive.md) ------------------------------------------------------------------------------------------------------------------------


def unpack_segment(data):
    check(data[:8] == b"ECSDBARC", "not an archived segment")
    check(struct.unpack_from("<I", data, 8)[0] == mask(crc32c(data[12:128])), "the archived segment's header is damaged")
    check(struct.unpack_from("<H", data, 12)[0] == 1, "an archive of another format")
    header = {"uuid": data[16:32], "running": struct.unpack_from("<I", data, 36)[0]}
    header["number"], header["length"], header["first"], header["last"] = struct.unpack_from("<QQQQ", data, 40)
    crc = crc32c(data[:128])
    at = 128
    out = b""
    while at < len(data):
        raw, stored = struct.unpack_from("<II", data, at)
        end = at + 8 + stored
        crc = crc32c(data[at:end], crc)
        check(struct.unpack_from("<I", data, end)[0] == mask(crc), "a block of the archived segment is damaged")
        block = data[at + 8 : end]
        out += block if raw == stored else unpack_zstd(block, raw)
        at = end + 4
    check(len(out) == header["length"], "the archived segment has another length than it says")
    return header, out


def read_archive(directory):
    names = os.listdir(directory)
    snapshots = sorted((int(found.group(1)), int(found.group(2)), name) for name in names for found in [re.match(r"snapshot-(\d+)-(\d+)\.ecsdb$", name)] if found)
    check(snapshots, "the archive has no snapshot")
    state, manifest = read_alone(read_file(directory, snapshots[-1][2]))
    numbers = sorted(int(name[:-4]) for name in names if name.endswith(".arc"))
    chain = []
    number = numbers[-1] if numbers else 0
    while number in numbers and not (chain and chain[0]["previous"]["lsn"] <= state.version):
        header, data = unpack_segment(read_file(directory, "%010d.arc" % number))
        check(header["number"] == number and header["uuid"] == manifest["uuid"], "an archived segment of another log")
        chain.insert(0, read_segment(data, number, manifest))
        number = chain[0]["previous"]["segment"]
    replay(chain, state)
    return state


# Saved deltas (delta.md) ---------------------------------------------------------------------------------------------------------------------


def apply_saved(data, state, manifest):
    check(data[:8] == b"ECSDBDLT", "not a saved delta")
    check(struct.unpack_from("<I", data, 8)[0] == mask(crc32c(data[12:64])), "the saved delta's envelope is damaged")
    check(struct.unpack_from("<HH", data, 12) == (1, 0), "a saved delta of another format")
    check(data[16:32] == manifest["uuid"], "a delta of another database")
    shard, crc, schema, size, zero = struct.unpack_from("<IIQQQ", data, 32)
    check(shard == manifest["shard"] and schema == state.schema.hash and zero == 0, "a delta of another shard or schema")
    check(size == len(data) - 64 and crc == mask(crc32c(data[64:])), "the saved delta is damaged")
    apply_delta(data[64:], state)


def read_state(snapshot, deltas):
    state, manifest = read_alone(read_file(snapshot))
    for delta in deltas:
        apply_saved(read_file(delta), state, manifest)
    return state


# PECS and native (pecs.md, native.md) --------------------------------------------------------------------------------------------------------


def crc64_xz(data):
    crc = 0xFFFFFFFFFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0xC96C5795D7870F42 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFFFFFFFFFF


def fnv_128(text):
    value = 0x6C62272E07BB014262B821756295C58D
    for byte in text.encode("utf-8"):
        value = (value ^ byte) * 0x0000000001000000000000000000013B % (1 << 128)
    return value


def read_summed(path):
    data = read_file(path)
    check(struct.unpack_from("<Q", data, len(data) - 8)[0] == crc64_xz(data[:-8]), "the checksum differs")
    return Bytes(data[:-8])


class Entities:
    """By stable id, the rows of each entity by table, in the order of the tables."""

    def __init__(self):
        self.tables = []
        self.rows = {}

    def begin(self, identity):
        check(identity != 0 and identity not in self.rows, "a stable id that is 0, or comes twice")
        self.rows[identity] = {}
        return self.rows[identity]

    def dump(self, out):
        for identity in sorted(self.rows):
            out.write("entity %032x\n" % identity)
            for table, name in enumerate(self.tables):
                if table in self.rows[identity]:
                    out.write("row %s %s\n" % (name, self.rows[identity][table].hex()))


def read_pecs(path):
    read = read_summed(path)
    check(read.take(4) == b"PECS" and read.u32() == 1 and read.u32() == 0, "not PECS, or another version of it")
    entities = Entities()
    count = read.u64()
    numbers = {}
    for number in range(read.u32()):
        identity = read.number(16)
        name = read.take(read.u32()).decode("utf-8")
        read.u32()
        check(identity == fnv_128(name), "the id of type %s" % name)
        entities.tables.append(name)
        numbers[identity] = number
    references = numbers.get(fnv_128("ecsdb.references"))
    meant = {}
    for _ in range(count):
        rows = entities.begin(read.number(16))
        for _ in range(read.u32()):
            table = numbers[read.number(16)]
            check(table not in rows, "a type comes twice within an entity")
            rows[table] = read.take(read.u32())
        for at in range(0, len(rows.get(references, b"")), 24):
            number, whom = int.from_bytes(rows[references][at : at + 8], "little"), rows[references][at + 8 : at + 24]
            check(meant.setdefault(number, whom) == whom, "a reference with two meanings")
        rows.pop(references, None)
    check(read.left() == 0, "something is left over")
    return entities


def read_native(path):
    read = read_summed(path)
    check(read.take(8) == b"ECSDBNAT" and read.u32() == 1 and read.u32() == 0, "not native, or another version of it")
    entities = Entities()
    count, references, tables, groups = read.u64(), read.u64(), read.u32(), read.u32()
    sizes = []
    for _ in range(tables):
        entities.tables.append(read.take(read.u32()).decode("utf-8"))
        read.u32()
        sizes.append(read.u32())
    for _ in range(groups):
        members = read.u32()
        columns = [0] * read.u32()
        columns = [read.u32() for _ in columns]
        check(columns == sorted(set(columns)), "a group's tables do not ascend")
        rows = [entities.begin(read.number(16)) for _ in range(members)]
        for table in columns:
            lengths = [read.u32() for _ in rows] if sizes[table] == 0xFFFFFFFF else [sizes[table]] * members
            for row, length in zip(rows, lengths):
                row[table] = read.take(length)
    check(len(entities.rows) == count, "the groups hold another number of entities")
    before = 0
    for _ in range(references):
        number = read.u64()
        check(number > before, "the references do not ascend")
        before = number
        read.take(16)
    check(read.left() == 0, "something is left over")
    return entities


# JSON (json.md) ------------------------------------------------------------------------------------------------------------------------------


class Words:
    def __init__(self, lines):
        self.lines = lines

    def dump(self, out):
        out.write("".join(line + "\n" for line in self.lines))


def read_json(path):
    with open(path, encoding="utf-8") as file:
        world = json.load(file)
    check(len(world["entities"]) == world["entity_count"], "another number of entities than it says")
    types = {one["name"]: one["id"] for one in world["types"]}
    lines = ["version %s" % world["version"], "types %s" % " ".join(types)]
    for name, identity in types.items():
        check(identity.replace("-", "") == "%032x" % fnv_128(name), "the id of type %s" % name)
    for entity in world["entities"]:
        check(re.match(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", entity["id"]), "the id %s" % entity["id"])
        check(all(name in types for name in entity["components"]), "a component of a type that is not listed")
        lines.append("entity %s %s" % (entity["id"].replace("-", ""), " ".join(sorted(entity["components"]))))
    return Words(lines[:2] + sorted(lines[2:]))


READERS = {"--archive": read_archive, "--pecs": read_pecs, "--native": read_native, "--json": read_json}


def main(words):
    if words[0] == "--state":
        return read_state(words[1], words[2:])
    return READERS[words[0]](words[1]) if words[0] in READERS else read_database(words[0])


if __name__ == "__main__":
    try:
        main(sys.argv[1:]).dump(sys.stdout)
    except Damage as damage:
        sys.exit("%s: %s" % (" ".join(sys.argv[1:]), damage))
