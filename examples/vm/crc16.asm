; Reads n and n bytes, and writes their CRC-16 (polynomial 0x1021, start value 0xFFFF, most significant bit first).
.const POLYNOMIAL 0x1021
    read  r1
    loadi r10, 1
    loadi r11, 0x8000
    loadi r12, 0xFFFF
    loadi r13, POLYNOMIAL
    loadi r14, 256
    loadi r2, 0xFFFF        ; the CRC
byte:
    jz    r1, done
    read  r3
    mul   r3, r3, r14
    xor   r2, r2, r3
    loadi r4, 8
bit:
    jz    r4, next
    and   r5, r2, r11
    add   r2, r2, r2
    and   r2, r2, r12
    jz    r5, no_xor
    xor   r2, r2, r13
no_xor:
    sub   r4, r4, r10
    jmp   bit
next:
    sub   r1, r1, r10
    jmp   byte
done:
    write r2
    halt
