; Reads n, n ascending words, m and m words to look for; writes for each the least index whose word is not smaller.
    read  r1                ; n
    loadi r10, 1
    loadi r11, 2
    loadi r2, 0
fill:
    eq    r3, r2, r1
    jnz   r3, queries
    read  r4
    store r4, [r2]
    add   r2, r2, r10
    jmp   fill
queries:
    read  r5                ; m
query:
    jz    r5, done
    read  r6
    loadi r7, 0             ; low
    mov   r8, r1            ; high
halve:
    lt    r3, r7, r8
    jz    r3, found
    add   r9, r7, r8
    and   r3, r9, r10
    sub   r9, r9, r3
    div   r9, r9, r11       ; the middle
    load  r4, [r9]
    lt    r3, r4, r6
    jz    r3, left
    add   r7, r9, r10
    jmp   halve
left:
    mov   r8, r9
    jmp   halve
found:
    write r7
    sub   r5, r5, r10
    jmp   query
done:
    halt
