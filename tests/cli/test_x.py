def test_x(province, kho):
    f=open("/tmp/khx/out.txt","w"); print=lambda *a: __builtins__["print"](*a,file=f)
    for a in (["status"],["status","--json"],["quarantine","list"],["quarantine","list","--json"],["delivery","list"],["release","list"],["release","show","governance"],["release","diff","governance","1","2"],["release","diff","governance","0","2"],["ledger","verify"],["contract","list"],["contract","check"],["report"],["source","test","home_affairs.unit_e2"],["release"],["night","--help"],["nope"],[]):
        r=kho(*a); print("=====",a,r.code); print(r.out); print("ERR",r.err)
    import shutil; shutil.copytree(province.home/"reports","/tmp/khx/reports",dirs_exist_ok=True)
    assert 0
